"""The console: a web page for people. It consists of static files and uses only the public API."""
