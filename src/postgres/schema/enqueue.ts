const checks = `
-- Notifies owners, when the transaction commits, of an unsettled order: due_at is given where its time has not come.
CREATE FUNCTION note_order(part smallint, seq bigint, due_at bigint) RETURNS void LANGUAGE sql AS $$
  SELECT pg_notify('op_' || left(encode(sha256(convert_to(current_schema(), 'UTF8')), 'hex'), 8) || '_accepted',
    CASE WHEN due_at IS NULL THEN format('0 0 %s %s %s -,%s', to_hex(1::bigint << part), seq, seq, seq)
      ELSE format('delayed %s %s', to_hex(1::bigint << part), due_at) END)
$$;

-- Keeps an order, given as the columns of its row; for what the schema's own code has checked. Returns its sequence, or
-- the row of the order that has its id. Owners are notified of either: the processor that accepted one may have died
-- before it could.
CREATE FUNCTION accept_order(given json) RETURNS json
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT SET enable_seqscan = off AS $$
DECLARE
  o orders := json_populate_record(NULL::orders, given);
  known orders;
  -- Of an order whose time has not come.
  due_at bigint;
BEGIN
  o.part := get_byte(sha256(convert_to(o.user_id, 'UTF8')), 0) & (SELECT partitions - 1 FROM meta);
  -- The transaction has its number before it draws: it is a later one than all whose orders have lower sequences and
  -- were answered.
  PERFORM pg_current_xact_id();
  LOOP
    o.seq := nextval('order_sequence');
    INSERT INTO orders SELECT o.* ON CONFLICT (id) DO NOTHING;
    EXIT WHEN FOUND;
    SELECT * INTO known FROM orders WHERE id = o.id;
    IF FOUND THEN
      PERFORM note_order(part, seq, not_before) FROM pending WHERE seq = known.seq;
      RETURN json_build_object('known', row_to_json(known));
    END IF;
  END LOOP;
  -- Behind the insert: an import that begins meanwhile waits for this transaction, and finds the order.
  IF EXISTS (SELECT FROM imports WHERE finished_at IS NULL) THEN
    RAISE EXCEPTION 'The schema has an import that is not finished' USING ERRCODE = 'OP005', DETAIL = 'storage_failed';
  END IF;
  IF o.not_before > extract(epoch FROM clock_timestamp()) * 1000 THEN
    due_at := o.not_before;
  END IF;
  INSERT INTO pending (seq, not_before, epoch, part, user_id)
    SELECT o.seq, due_at, t.epoch, t.part, o.user_id FROM partitions t WHERE t.part = o.part;
  PERFORM note_order(o.part, o.seq, due_at);
  RETURN json_build_object('seq', o.seq);
END $$;

CREATE FUNCTION invalid_order(field text, form text, given json) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
  RAISE EXCEPTION 'Expected \`%\` to be %, got \`%\`', field, form, coalesce(left(given::text, 100), 'nothing')
    USING ERRCODE = 'OP002', DETAIL = 'invalid_order';
END $$;

-- A field that is no JSON null.
CREATE FUNCTION field_of(given json, field text) RETURNS json LANGUAGE sql IMMUTABLE AS $$
  SELECT CASE WHEN json_typeof(given -> field) <> 'null' THEN given -> field END
$$;

-- An id, as it is.
CREATE FUNCTION id_of(given json, field text, called text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  id text;
BEGIN
  IF json_typeof(given -> field) = 'string' THEN
    id := given ->> field;
    -- A character beyond U+FFFF is two units of UTF-16.
    IF id <> '' AND char_length(id) + char_length(regexp_replace(id, '[\\u0001-\\uFFFF]', '', 'g')) <= 256 THEN
      RETURN id;
    END IF;
  END IF;
  PERFORM invalid_order(called, 'a string of 1 to 256 characters', given -> field);
END $$;

-- As the tables keep an id: U+F8FF is a mark there.
CREATE FUNCTION kept_id(id text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT replace(id, chr(63743), chr(63743) || '1')
$$;

CREATE FUNCTION integer_of(given json, field text, called text, form text, lowest numeric, highest numeric)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
  value numeric;
BEGIN
  IF json_typeof(given -> field) = 'number' THEN
    value := (given ->> field)::numeric;
    IF value = trunc(value) AND value BETWEEN lowest AND highest THEN RETURN value; END IF;
  END IF;
  PERFORM invalid_order(called, form, given -> field);
END $$;

-- A misspelt field is an error: left out, it would count as its default.
CREATE FUNCTION check_fields(given json, fields text[], called text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
  other text;
BEGIN
  SELECT key INTO other FROM json_object_keys(given) AS key WHERE key <> ALL (fields) LIMIT 1;
  IF FOUND THEN
    PERFORM invalid_order(called || left(other, 100), 'one of ' || array_to_string(fields, ', '), given -> other);
  END IF;
END $$;

-- The postings of an order, as the tables keep them; NULL for none.
CREATE FUNCTION postings_of(given json, user_id text) RETURNS text LANGUAGE plpgsql AS $$
DECLARE
  postings json := field_of(given, 'postings');
  posting json;
  called text;
  id text;
  ids text[] := ARRAY[user_id];
  amount bigint;
  total numeric := 0;
  kept json[] := '{}';
BEGIN
  IF postings IS NULL THEN RETURN NULL; END IF;
  IF json_typeof(postings) <> 'array' THEN
    PERFORM invalid_order('postings', 'an array of at most 100', postings);
  END IF;
  IF json_array_length(postings) > 100 THEN
    PERFORM invalid_order('postings', 'an array of at most 100', postings);
  END IF;
  FOR posting IN SELECT * FROM json_array_elements(postings) LOOP
    called := format('postings[%s]', cardinality(kept));
    IF json_typeof(posting) <> 'object' THEN PERFORM invalid_order(called, 'an object', posting); END IF;
    PERFORM check_fields(posting, ARRAY['userId', 'amount'], called || '.');
    id := id_of(posting, 'userId', called || '.userId');
    IF id = ANY (ids) THEN
      PERFORM invalid_order(called || '.userId', 'another than those before', posting -> 'userId');
    END IF;
    amount := integer_of(posting, 'amount', called || '.amount', 'a safe integer in minor units from 1 up',
      1, 9007199254740991);
    ids := ids || id;
    total := total + amount;
    kept := kept || json_build_object('userId', id, 'amount', amount);
  END LOOP;
  IF total > 9007199254740991 THEN
    PERFORM invalid_order('postings', 'a safe integer together', to_json(total));
  END IF;
  IF cardinality(kept) > 0 THEN RETURN array_to_json(kept)::text; END IF;
  RETURN NULL;
END $$;

-- Whether two JSON texts mean the same.
CREATE FUNCTION is_same_json(one text, other text) RETURNS boolean LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
  IF one IS NOT DISTINCT FROM other THEN RETURN true; END IF;
  RETURN coalesce(one::jsonb = other::jsonb, false);
EXCEPTION WHEN untranslatable_character THEN
  -- One has a U+0000.
  RETURN false;
END $$;

-- As the column content has it: undefined differs from null.
CREATE FUNCTION in_array(value text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT coalesce('[' || value || ']', '[]')
$$;
`;

/**
 * @param create - how it is made
 * @param fields - more fields of the order
 * @param columns - sets what they are kept in
 */
const enqueueFunction = (create: string, fields = '', columns = ''): string => `
-- Accepts an order in the transaction of its caller, for triggers and other languages. Schema and rules of the processors
-- do not run.
${create} FUNCTION enqueue(new_order json) RETURNS text
LANGUAGE plpgsql SECURITY DEFINER SET search_path FROM CURRENT AS $$
DECLARE
  now_ms bigint := floor(extract(epoch FROM clock_timestamp()) * 1000);
  furthest_ms bigint := now_ms + 3155760000000;
  time_form text := 'Unix milliseconds: an integer from 0 up, at most a hundred years from now';
  random_hex text := replace(gen_random_uuid()::text, '-', '');
  now_hex text := lpad(to_hex(now_ms), 12, '0');
  known orders;
  answer json;
  id text;
  o orders;
BEGIN
  IF new_order IS NULL OR json_typeof(new_order) <> 'object' THEN
    PERFORM invalid_order('order', 'an object', new_order);
  END IF;
  PERFORM check_fields(new_order, ARRAY['id', 'userId', 'amount', 'priority', 'payload', 'postings', 'notBefore', 'expiresAt'${fields}], '');
  o.user_id := id_of(new_order, 'userId', 'userId');
  IF field_of(new_order, 'id') IS NOT NULL THEN id := id_of(new_order, 'id', 'id');
  ELSE
    -- A UUID of version 7: ids sort by time.
    id := concat_ws('-', left(now_hex, 8), right(now_hex, 4), '7' || substr(random_hex, 14, 3),
      substr(random_hex, 17, 4), right(random_hex, 12));
  END IF;
  o.amount := integer_of(new_order, 'amount', 'amount', 'a safe integer in minor units',
    -9007199254740991, 9007199254740991);
  o.priority := coalesce(array_position(ARRAY['high', 'medium', 'low'],
    coalesce(field_of(new_order, 'priority') #>> '{}', 'medium')), 0) - 1;
  IF o.priority < 0 THEN
    PERFORM invalid_order('priority', '''high'', ''medium'' or ''low''', new_order -> 'priority');
  END IF;
  o.postings := postings_of(new_order, o.user_id);
  o.user_id := kept_id(o.user_id);
  o.id := kept_id(id);
  o.accepted_at := now_ms;
  IF field_of(new_order, 'notBefore') IS NOT NULL THEN
    o.not_before := integer_of(new_order, 'notBefore', 'notBefore', time_form, 0, furthest_ms);
  END IF;
  IF field_of(new_order, 'expiresAt') IS NOT NULL THEN
    o.expires_at := integer_of(new_order, 'expiresAt', 'expiresAt', time_form, 0, furthest_ms);
    IF o.expires_at <= o.not_before THEN
      PERFORM invalid_order('expiresAt', 'later than \`notBefore\`', new_order -> 'expiresAt');
    END IF;
  END IF;
${columns}  o.payload := (new_order -> 'payload')::text;
  answer := accept_order(row_to_json(o));
  IF answer -> 'known' IS NOT NULL THEN
    known := json_populate_record(NULL::orders, answer -> 'known');
    IF known.user_id <> o.user_id OR known.amount <> o.amount OR NOT is_same_json(known.postings, o.postings)
      OR NOT is_same_json(coalesce(known.content, in_array(known.payload)), in_array(o.payload)) THEN
      RAISE EXCEPTION 'The id % belongs to an order with other content', to_json(id)
        USING ERRCODE = 'OP003', DETAIL = 'order_conflict';
    END IF;
  ELSIF o.expires_at <= now_ms THEN
    RAISE EXCEPTION 'The order had not begun by its \`expiresAt\`, %', o.expires_at
      USING ERRCODE = 'OP004', DETAIL = 'expired';
  END IF;
  RETURN id;
END $$;
`;

/**
 * Functions that accept an order in the transaction of their caller. They run with the rights of the schema's owner, so
 * that their callers need no right to its tables.
 */
export const enqueueFunctions = `${checks}${enqueueFunction('CREATE')}
-- They move money for any role that may call them: that is for the owner of the schema to say.
REVOKE EXECUTE ON FUNCTION accept_order(json), enqueue(json) FROM PUBLIC;
`;

/** The trace in which an order is handed in is kept with it. */
export const traceOfOrders = `
ALTER TABLE orders ADD COLUMN trace text;

-- The trace of an order, as the table keeps it; NULL for one that is not valid.
CREATE FUNCTION trace_of(given json) RETURNS text LANGUAGE sql IMMUTABLE AS $$
  SELECT t.parent || coalesce(' ' || t.state, '') FROM (SELECT
    given #>> '{traceContext,traceparent}' AS parent,
    CASE WHEN json_typeof(given #> '{traceContext,tracestate}') = 'string'
      AND char_length(given #>> '{traceContext,tracestate}') BETWEEN 1 AND 512
      AND given #>> '{traceContext,tracestate}' COLLATE "C" ~ '^[ -~]+$'
      THEN given #>> '{traceContext,tracestate}' END AS state) t
  WHERE t.parent ~ '^(?!ff)[0-9a-f]{2}-(?!0{32})[0-9a-f]{32}-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}$'
$$;
${enqueueFunction('CREATE OR REPLACE', ", 'traceContext'", '  o.trace := trace_of(new_order);\n')}`;
