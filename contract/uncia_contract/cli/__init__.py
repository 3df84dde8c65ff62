"""What every command line shares: arguments, help, configuration files."""
