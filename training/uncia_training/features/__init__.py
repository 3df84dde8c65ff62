"""One picture to its features, once; stores and tables of them."""
