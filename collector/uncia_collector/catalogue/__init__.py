"""The database: schema, questions, people, reviews."""
