"""Backup of a station (its catalogue and its pictures), and restore from one."""
