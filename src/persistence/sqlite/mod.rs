//! SQLite: the embedded engine, for which nothing else is installed.
