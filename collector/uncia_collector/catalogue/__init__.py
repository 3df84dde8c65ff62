"""The database: schema, queries, people, reviews."""
