-- A removal clears the marks that point at the removed customer: it must not read a whole location for that.
CREATE INDEX customers_duplicates ON customers (location, duplicate_of) WHERE duplicate_of IS NOT NULL;
