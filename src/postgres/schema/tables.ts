/**
 * Orders are immutable rows, what is unsettled is a row of a small table, outcomes are only inserted: so a settlement
 * updates nothing but balances.
 */
export const tables = `
-- What this schema is.
CREATE TABLE meta (
  storage_id text NOT NULL DEFAULT gen_random_uuid()::text,
  partitions smallint NOT NULL,
  -- The greatest settlement that was pruned.
  pruned bigint NOT NULL DEFAULT 0
);

-- What is deleted by and by, of orders, outcomes and credits, is made usable again before it is much.
CREATE SEQUENCE order_sequence AS bigint CACHE 1;
CREATE TABLE orders (
  seq bigint NOT NULL,
  amount bigint NOT NULL,
  accepted_at bigint NOT NULL,
  not_before bigint,
  expires_at bigint,
  part smallint NOT NULL,
  priority smallint NOT NULL,
  id text COLLATE "C" NOT NULL,
  user_id text COLLATE "C" NOT NULL,
  payload text,
  content text,
  labels text,
  postings text,
  -- The order that came again as this one. It names this one by that, too: orders are never changed.
  retry_of text COLLATE "C"
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE INDEX orders_by_retry_of ON orders (retry_of, seq) WHERE retry_of IS NOT NULL;
CREATE UNIQUE INDEX orders_by_id ON orders (id);
CREATE UNIQUE INDEX orders_by_seq ON orders (seq);
CREATE INDEX orders_by_user ON orders (user_id, seq);
-- Times need not follow the order of acceptance: lists by time pass over blocks of orders that have none of it.
CREATE INDEX orders_by_block ON orders ((seq >> 12), accepted_at);

-- Unsettled orders. epoch is that of the partition when the order was accepted: what was added since is how often
-- its partition was lost. origin is the processor that awaits the outcome, watchers are others that do. accept_xid is
-- the transaction that accepted it, which notes name: xmin changes with each update. user_id is there too, so that a
-- page can pass over a user with many orders. not_before is there as long as the order's time has not come: its owner
-- clears it then, and a request to cancel the order does. kept_at is by the clock of the server, as all that is
-- compared with it.
CREATE TABLE pending (
  seq bigint PRIMARY KEY,
  kept_at timestamptz NOT NULL DEFAULT now(),
  not_before bigint,
  epoch integer NOT NULL,
  accept_xid xid NOT NULL DEFAULT pg_current_xact_id()::xid,
  origin integer,
  part smallint NOT NULL,
  is_to_cancel boolean NOT NULL DEFAULT false,
  user_id text COLLATE "C" NOT NULL,
  watchers integer[],
  decided text,
  compensations text,
  remembered text
) WITH (fillfactor = 90, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000,
  autovacuum_vacuum_cost_delay = 0);
CREATE UNIQUE INDEX pending_by_part ON pending (part, seq) WHERE not_before IS NULL;
CREATE INDEX pending_by_time ON pending (part, not_before, seq) WHERE not_before IS NOT NULL;
CREATE INDEX pending_delayed_by_user ON pending (user_id, seq) WHERE not_before IS NOT NULL;

-- A call of settle draws one number of this sequence, while it has locked the balances that it changes: a settlement's
-- own number is 1 024 times that, and its place in the call. started_at and settled_at are by the clock of the processor,
-- kept_at is by that of the server.
CREATE SEQUENCE settlement_sequence AS bigint CACHE 1;
CREATE TABLE outcomes (
  seq bigint PRIMARY KEY,
  settlement bigint NOT NULL,
  kept_at timestamptz NOT NULL DEFAULT now(),
  amount bigint NOT NULL,
  started_at bigint,
  settled_at bigint NOT NULL,
  applied_at bigint NOT NULL,
  balance bigint,
  status smallint NOT NULL,
  retryable boolean,
  user_id text COLLATE "C" NOT NULL,
  code text,
  message text,
  cause text,
  steps text,
  results text,
  postings text,
  balances bigint[]
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);
CREATE UNIQUE INDEX outcomes_by_settlement ON outcomes (settlement);
CREATE INDEX outcomes_by_user ON outcomes (user_id, settlement) WHERE balance IS NOT NULL;
CREATE INDEX outcomes_unfulfilled ON outcomes (status, seq) WHERE status > 1;
CREATE INDEX outcomes_unfulfilled_by_user ON outcomes (user_id, status, seq) WHERE status > 1;

-- Credits to users by other users' orders.
CREATE TABLE credits (
  user_id text COLLATE "C" NOT NULL,
  settlement bigint NOT NULL,
  seq bigint NOT NULL,
  amount bigint NOT NULL,
  balance bigint NOT NULL,
  applied_at bigint NOT NULL,
  PRIMARY KEY (user_id, settlement)
) WITH (autovacuum_vacuum_scale_factor = 0.02, autovacuum_vacuum_insert_scale_factor = 0.05);

-- opening and opened_at are what the newest settlement found: it returns them.
CREATE TABLE balances (
  user_id text COLLATE "C" PRIMARY KEY,
  balance bigint NOT NULL,
  applied_at bigint NOT NULL,
  opening bigint NOT NULL,
  opened_at bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_cost_delay = 0);

-- What pruned movements of a user were: their sum, and the balance and the time of the last of them. A table of its
-- own: no settlement waits for a prune.
CREATE TABLE openings (
  user_id text COLLATE "C" PRIMARY KEY,
  amount numeric NOT NULL,
  balance bigint NOT NULL,
  settlement bigint NOT NULL,
  applied_at bigint NOT NULL
) WITH (fillfactor = 70, autovacuum_vacuum_scale_factor = 0.05);

CREATE TABLE holds (
  user_id text COLLATE "C" PRIMARY KEY,
  part smallint NOT NULL,
  held_at bigint NOT NULL,
  hold text NOT NULL
);
CREATE INDEX holds_by_part ON holds (part, user_id);

-- What was taken over from another storage: one row, or none. state says how far it is, as JSON. As long as it is not
-- finished no processor joins, and no order is accepted.
CREATE TABLE imports (
  source text NOT NULL,
  began_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  finished_at timestamptz,
  state text NOT NULL
) WITH (fillfactor = 50);

-- What the owners of partitions are asked to do, until its answer has come where it was asked.
CREATE TABLE requests (
  number bigint GENERATED ALWAYS AS IDENTITY,
  answered_at timestamptz,
  part smallint NOT NULL,
  is_begun boolean NOT NULL DEFAULT false,
  id text COLLATE "C" PRIMARY KEY,
  user_id text COLLATE "C" NOT NULL,
  request text NOT NULL,
  answer text
);
CREATE INDEX requests_unanswered ON requests (part, number) WHERE answer IS NULL;

-- Processors. A number is never given again: orders and notes bear it. shares says whether it is to own partitions:
-- from when its processor has joined until it leaves. follows says whether it is to hear of all settlements.
CREATE SEQUENCE processor_sequence AS integer CACHE 1;
CREATE TABLE processors (
  number integer PRIMARY KEY,
  token uuid NOT NULL,
  name text NOT NULL,
  pids integer[] NOT NULL,
  joined_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  beat_at timestamptz NOT NULL DEFAULT clock_timestamp(),
  shares boolean NOT NULL DEFAULT false,
  follows boolean NOT NULL DEFAULT false
) WITH (fillfactor = 50);
CREATE TABLE partitions (
  part smallint PRIMARY KEY,
  epoch integer NOT NULL DEFAULT 0,
  owner integer REFERENCES processors (number) ON DELETE SET NULL
) WITH (fillfactor = 50);

CREATE FUNCTION require(is_so boolean, what text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
  IF is_so IS NOT TRUE THEN RAISE EXCEPTION '%', what USING ERRCODE = 'OP001'; END IF;
  RETURN true;
END $$;
`;
