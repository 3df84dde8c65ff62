"""Tables, plots and the page of a comparison."""
