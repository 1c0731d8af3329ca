-- The history keeps enough to make a tree's state again.

ALTER TABLE history ADD COLUMN input text;
ALTER TABLE history ADD COLUMN given jsonb;
-- Most lines that tell what an input led to have nothing to add.
ALTER TABLE history ALTER COLUMN detail DROP NOT NULL;
COMMENT ON TABLE history IS 'Every input that changed the state of a job, and what it led to, in the order of folding within one root.';
COMMENT ON COLUMN history.input IS 'The name of the input that the line keeps, with its fields in detail. Null: the line tells what an input led to.';
COMMENT ON COLUMN history.given IS 'On the first line of a root in a fold, and only there: what the fold was given beside the inputs. What was folded together has the same time.';
