"""Lists of orders: filters, sorts and pages, whose cost does not grow with the number of orders."""
