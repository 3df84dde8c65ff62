"""What all command lines share: argument types, help, exit codes, configuration files, set-up of a machine."""
