"""Makes the tables, the plots and the page of a comparison."""
