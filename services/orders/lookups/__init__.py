"""Lists of orders: by filters and sort, page by page, as fast among a million as among a few."""
