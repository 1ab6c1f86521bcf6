"""What survives a crash: tables, claims, commits, migrations; the only SQL of the project."""
