"""Training on the workstation: data sets, features, logistic heads, evaluation and reports."""
