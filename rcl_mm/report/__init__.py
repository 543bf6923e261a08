"""Reading runs that were tested, and showing them: the HTML report, figures, tables."""
