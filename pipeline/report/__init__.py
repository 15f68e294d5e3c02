"""What a stranger reads: tables, figures and one page, made from the git-tracked records."""
