-- A file as version 1 made it: one order of each kind. Never to be changed.
CREATE TABLE orders (
  seq INTEGER PRIMARY KEY AUTOINCREMENT,
  id TEXT NOT NULL UNIQUE,
  user_id TEXT NOT NULL,
  amount INTEGER NOT NULL,
  priority TEXT NOT NULL,
  status TEXT NOT NULL CHECK (status IN ('pending', 'completed', 'failed', 'canceled')),
  accepted_at INTEGER NOT NULL,
  started_at INTEGER,
  settled_at INTEGER CHECK ((settled_at IS NULL) = (status = 'pending')),
  balance INTEGER CHECK ((balance IS NULL) = (status <> 'completed')),
  code TEXT,
  message TEXT,
  retryable INTEGER,
  payload TEXT,
  content TEXT,
  labels TEXT,
  steps TEXT,
  cause TEXT,
  life INTEGER NOT NULL,
  decided TEXT,
  postings TEXT,
  settlement INTEGER,
  is_late INTEGER,
  expires_at INTEGER,
  results TEXT,
  remembered TEXT,
  ordered_amount INTEGER,
  not_before INTEGER,
  links TEXT
) STRICT;
CREATE INDEX orders_by_user ON orders (user_id);
CREATE INDEX orders_by_block ON orders (seq >> 12, accepted_at);
CREATE INDEX orders_by_status ON orders (status) WHERE status <> 'completed';
CREATE INDEX orders_by_user_unfulfilled ON orders (user_id, status)
  WHERE status IN ('failed', 'canceled');
CREATE INDEX orders_unsettled ON orders (seq, not_before) WHERE settled_at IS NULL;
CREATE INDEX orders_due ON orders (not_before) WHERE not_before IS NOT NULL AND settled_at IS NULL;
CREATE INDEX orders_late ON orders (user_id, settlement) WHERE is_late = 1;
CREATE TABLE postings (
  user_id TEXT NOT NULL,
  settlement INTEGER NOT NULL,
  seq INTEGER NOT NULL,
  amount INTEGER NOT NULL,
  balance INTEGER NOT NULL,
  PRIMARY KEY (user_id, settlement)
) STRICT, WITHOUT ROWID;
CREATE TABLE settlements (
  first INTEGER PRIMARY KEY,
  at INTEGER NOT NULL,
  orders BLOB NOT NULL
) STRICT;
CREATE TABLE balances (
  user_id TEXT PRIMARY KEY,
  balance INTEGER NOT NULL,
  pruned INTEGER,
  last INTEGER NOT NULL DEFAULT 0
) STRICT, WITHOUT ROWID;
CREATE TABLE holds (
  user_id TEXT PRIMARY KEY,
  reason TEXT,
  held_at INTEGER NOT NULL,
  order_id TEXT,
  code TEXT,
  message TEXT,
  compensated TEXT,
  failure TEXT
) STRICT, WITHOUT ROWID;
INSERT INTO holds VALUES ('u-held', 'fraud?', 1010, NULL, NULL, NULL, NULL, NULL);
CREATE TABLE meta (
  life INTEGER NOT NULL,
  file_id TEXT NOT NULL,
  pruned INTEGER NOT NULL DEFAULT 0,
  pruned_at INTEGER
) STRICT;
INSERT INTO meta (life, file_id) VALUES (3, '00000000000000000000000000000001');
INSERT INTO orders (
  seq, id, user_id, amount, priority, status, accepted_at, started_at, settled_at, balance, code, message, retryable,
  payload, content, labels, steps, cause, life, decided, postings, settlement, is_late, expires_at
) VALUES
  (1, 'done', 'u-1', 700, 'high', 'completed', 1000, 1001, 1002, 700, NULL, NULL, NULL,
   '{"items":[1,2]}', NULL, '["expedited"]', '[{"name":"payment","status":"ok","durationMs":1,"attempts":1}]', NULL, 1, NULL, NULL, 1, NULL, NULL),
  (2, 'declined', 'u-1', 5, 'medium', 'failed', 1003, 1003, 1004, NULL, 'payment_declined', 'No', 0,
   NULL, NULL, NULL, NULL, NULL, 2, NULL, NULL, 2, NULL, NULL),
  (3, 'gone', 'u-2', 5, 'low', 'canceled', 1005, NULL, 1006, NULL, 'canceled', 'The order was canceled', 1,
   '"text"', '[]', NULL, NULL, NULL, 2, NULL, NULL, 3, NULL, NULL),
  (4, 'waits', 'u-1', 30, 'medium', 'pending', 1007, NULL, NULL, NULL, NULL, NULL, NULL,
   'null', NULL, NULL, NULL, NULL, 3, NULL, NULL, NULL, NULL, NULL),
  (5, 'told', 'u-2', 9, 'medium', 'pending', 1008, NULL, NULL, NULL, NULL, NULL, NULL,
   NULL, NULL, NULL, NULL, NULL, 3, '{"outcome":"canceled","code":"canceled","message":"The order was canceled","retryable":true}', NULL, NULL, NULL, NULL);
UPDATE orders SET results = '{"payment":{"chargeId":"c-1"}}', ordered_amount = 710 WHERE id = 'done';
INSERT INTO settlements VALUES (1, 1006, x'020202');
INSERT INTO balances VALUES ('u-1', 700, NULL, 1);
PRAGMA application_id = 1869767792;
PRAGMA user_version = 1;
