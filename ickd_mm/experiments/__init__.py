"""Run configs in processes of their own and compare what comes out."""
