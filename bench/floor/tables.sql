-- What the floor writes to.
CREATE TABLE IF NOT EXISTS floor_job (
    id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, status text NOT NULL, step int NOT NULL DEFAULT 0,
    created_at timestamptz NOT NULL DEFAULT clock_timestamp(), started_at timestamptz, finished_at timestamptz
);
CREATE TABLE IF NOT EXISTS floor_step (job_id bigint NOT NULL, step int NOT NULL, result text NOT NULL);
CREATE TABLE IF NOT EXISTS floor_mark (mark int NOT NULL);
