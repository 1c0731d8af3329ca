-- The roles and the database of Drover, for psql (14 or later) as a superuser, once:
--
--   DROVER_OWNER_PASSWORD=… DROVER_DATABASE_PASSWORD=… DROVER_MEDIA_PASSWORD=… \
--       psql --set=ON_ERROR_STOP=1 --file=deploy/postgres/roles.sql
--
-- The image `postgres` runs it when its volume is empty (docker-compose.yml).
\getenv owner_password DROVER_OWNER_PASSWORD
\getenv database_password DROVER_DATABASE_PASSWORD
\getenv media_password DROVER_MEDIA_PASSWORD

-- Owns the schema and changes it: only `drover-orchestrator migrate` is this role.
CREATE ROLE drover_owner LOGIN PASSWORD :'owner_password';
-- The orchestrators' daily work: rows, no tables.
CREATE ROLE drover LOGIN PASSWORD :'database_password';

-- The media workers': the schema `media`, and nothing of the orchestrators'.
CREATE ROLE drover_media LOGIN PASSWORD :'media_password';

CREATE DATABASE drover OWNER drover_owner;
-- Every role of the server may connect and make temporary tables unless told otherwise.
REVOKE ALL ON DATABASE drover FROM PUBLIC;
GRANT CONNECT ON DATABASE drover TO drover, drover_media;

\connect drover
REVOKE ALL ON SCHEMA public FROM PUBLIC;
GRANT USAGE ON SCHEMA public TO drover;
-- For every table and view that a migration makes, now or later. Identity columns need no right to their sequence.
ALTER DEFAULT PRIVILEGES FOR ROLE drover_owner IN SCHEMA public
    GRANT SELECT, INSERT, UPDATE, DELETE ON TABLES TO drover;

-- The media worker's tables. It makes and changes them by itself, and nobody else has a right to them.
CREATE SCHEMA media AUTHORIZATION drover_media;
