#!/bin/sh
# The certificates of one base station (docs/field-guide.md, 2):
#     scripts/certificates.sh FOLDER broker base.local 192.168.7.1   the names and addresses that traps call it by
#     scripts/certificates.sh FOLDER collector
#     scripts/certificates.sh FOLDER trap ridge-01 [valley-02 ...]
# The authority (ca.pem, ca.key) is made with the first of them. Whoever has ca.key can be any trap: it stays at home.
# All hold from 1970 on, so that a trap whose clock was lost with its power still gets through, for 30 years from now.
set -eu
[ $# -ge 2 ] || { sed -n '2,5s/^# \{0,1\}//p' "$0" >&2; exit 2; }
folder=$1 who=$2
shift 2
umask 077
trap "rm -f openssl.cnf" EXIT
mkdir -p "$folder"
cd "$folder"
ends=$(($(date +%Y) + 30))0101000000Z

configure() { # the extensions that the certificate gets
    cat >openssl.cnf <<EOF
[ca]
default_ca = station
[station]
database = issued.txt
new_certs_dir = .
rand_serial = yes
default_md = sha256
policy = any
unique_subject = no
x509_extensions = extensions
[any]
commonName = supplied
[req]
distinguished_name = any
[extensions]
subjectKeyIdentifier = hash
authorityKeyIdentifier = keyid
$1
EOF
}

issue() { # file name, common name, further options
    file=$1 name=$2
    shift 2
    [ ! -e "$file.pem" ] || { echo "certificates.sh: $folder/$file.pem is there already" >&2; exit 2; }
    openssl ecparam -name prime256v1 -genkey -noout -out "$file.key"
    openssl req -new -config openssl.cnf -key "$file.key" -subj "/CN=$name" -out "$file.csr"
    openssl ca -batch -notext -config openssl.cnf -startdate 19700101000000Z -enddate "$ends" \
        -in "$file.csr" -out "$file.pem" "$@" 2>openssl.log || { cat openssl.log >&2; exit 1; }
    rm -f "$file.csr" openssl.log ./[0-9A-F]*.pem
    chmod 644 "$file.pem"
    echo "$folder/$file.pem, $folder/$file.key: $name"
}

if [ ! -e ca.pem ]; then
    : >issued.txt
    configure 'basicConstraints = critical, CA:true
keyUsage = critical, keyCertSign, cRLSign'
    issue ca "uncia base station" -selfsign -keyfile ca.key
fi
leaf='basicConstraints = critical, CA:false
keyUsage = critical, digitalSignature'
case $who in
broker)
    [ $# -ge 1 ] || { echo "certificates.sh: which name do the traps call the broker by?" >&2; exit 2; }
    names=
    for name in "$@"; do
        case $name in *[!0-9.]*) names="$names,DNS:$name" ;; *) names="$names,IP:$name" ;; esac
    done
    configure "$leaf
extendedKeyUsage = serverAuth
subjectAltName = ${names#,}"
    issue broker "$1" -cert ca.pem -keyfile ca.key
    ;;
collector)
    configure "$leaf
extendedKeyUsage = clientAuth"
    issue collector Collector -cert ca.pem -keyfile ca.key
    ;;
trap)
    configure "$leaf
extendedKeyUsage = clientAuth"
    for name in "$@"; do
        case $name in
        '' | *[!a-z0-9_-]* | ?????????????????????????????????*)
            echo "certificates.sh: trap '$name': expected a to z, 0 to 9, _ and -, 32 at most" >&2
            exit 2
            ;;
        esac
        issue "$name" "$name" -cert ca.pem -keyfile ca.key
    done
    ;;
*)
    echo "certificates.sh: '$who': expected broker, collector or trap" >&2
    exit 2
    ;;
esac
