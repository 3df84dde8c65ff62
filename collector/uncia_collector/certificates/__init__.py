"""The station's certificate authority: issues, renews and revokes the certificates for the broker."""
