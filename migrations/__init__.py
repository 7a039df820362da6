"""One linear history of the schema; runs on SQLite, PostgreSQL and SQL Server."""
