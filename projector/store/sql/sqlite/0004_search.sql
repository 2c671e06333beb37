-- Full-text search over items.
--
-- `item_index` holds words and where they stand, not the texts: those it takes from `item_texts`,
-- whose texts are made from items by `item_words`, a function of this program (projector/words.py).
-- Other programs can search, and join what they find; only what reads the texts again (snippet,
-- highlight, integrity-check) needs that function.
--
-- Rules, true at every commit:
-- 1. The index holds the words of the items with item > unfilled, tombstones too, as
--    item_words(type, json, what, max_text_bytes) gives them, and no others.
-- 2. Whoever writes items keeps it so, at the end of the transaction (store/sqlite/index.py).
-- 3. Whoever changes `what` or `max_text_bytes` empties the index and sets `unfilled` to the
--    greatest item, in one transaction; filling goes down from there.

-- What the index holds; one row.
CREATE TABLE search_state (
  id             INTEGER PRIMARY KEY CHECK (id = 1),
  what           TEXT NOT NULL,                 -- all, messages, off
  max_text_bytes INTEGER NOT NULL,              -- of an item's outputs, diffs, arguments, results
  unfilled       INTEGER NOT NULL               -- items up to this number are not indexed (yet)
) STRICT;
INSERT INTO search_state VALUES (1, 'off', 0, 9223372036854775807);

-- The texts of the items that are indexed.
CREATE VIEW item_texts AS
SELECT i.item,
       CASE WHEN length(i.json) > 16777216 THEN ''  -- as item_words says, without a copy for it
       ELSE item_words(i.type, i.json, s.what, s.max_text_bytes) END AS text
FROM search_state AS s JOIN items AS i ON i.item > s.unfilled;

-- Case and accents do not matter.
CREATE VIRTUAL TABLE item_index USING fts5 (
  text, content = 'item_texts', content_rowid = 'item', tokenize = 'unicode61 remove_diacritics 2'
);
-- Larger pages: 8000 of a database page of 8192 bytes, a quarter less time than with the default.
INSERT INTO item_index (item_index, rank) VALUES ('pgsz', 8000);

-- SELECT ... FROM search WHERE search MATCH 'words "a phrase" beginn*' ORDER BY rank: items of the
-- visible history of each thread that hold all of them; the columns of thread_history and `rank`
-- (the lower, the better). A fork finds what it inherits too, with `inherited` 1. Words of scripts
-- without spaces are phrases of their characters: MATCH '"中 文"'.
CREATE VIEW search AS
SELECT f.item_index AS search, f.rank AS rank, p.thread_id, i.position, p.rollout_id, i.turn_id,
       i.item_id,
       lower(substr(hex(i.uid), 1, 8) || '-' || substr(hex(i.uid), 9, 4) || '-' || substr(hex(i.uid), 13, 4)
    || '-' || substr(hex(i.uid), 17, 4) || '-' || substr(hex(i.uid), 21)) AS uid,
       i.type, i.json AS item_json, i.created_at_ms, p.thread_id <> r.thread_id AS inherited
FROM item_index AS f JOIN items AS i ON i.item = f.rowid
JOIN thread_parts AS p ON p.rollout = i.rollout AND p.upto > i.position
JOIN rollouts AS r ON r.rollout = i.rollout
WHERE i.tombstone = 0;
