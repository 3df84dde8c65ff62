"""The languages of the page: one gettext catalogue each, `xx.po`."""
