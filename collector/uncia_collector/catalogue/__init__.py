"""The station's database: schema, migrations, queries, events, answers, users."""
