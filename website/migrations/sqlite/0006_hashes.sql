-- A repair reads every live row's id, seq and hash: from here, and not from rows that carry a face each.
CREATE INDEX customers_hashes ON customers (location, face_id, seq, row_hash) WHERE state = 'live';
