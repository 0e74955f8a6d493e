"""Stations, routes with their stations in order, and drivers."""

from alembic import op

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # How names are compared when people search: small letters, Arabic ones without marks, hamzas and final forms, since
    # hardly anybody types those.
    op.execute("""
        CREATE FUNCTION folded(written text) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$ SELECT lower(translate(written, 'أإآٱىةؤئـًٌٍَُِّْ', 'اااايهوي')) $$
    """)
    # By haversine, on a sphere of 6,371 km.
    op.execute("""
        CREATE FUNCTION metres_between(latitude1 float8, longitude1 float8, latitude2 float8, longitude2 float8)
        RETURNS float8 LANGUAGE sql IMMUTABLE PARALLEL SAFE STRICT
        AS $$
            SELECT 2 * 6371000 * asin(least(1, sqrt(
                power(sin(radians(latitude2 - latitude1) / 2), 2)
                + cos(radians(latitude1)) * cos(radians(latitude2)) * power(sin(radians(longitude2 - longitude1) / 2), 2))))
        $$
    """)

    # A missing language falls back to the other; ``name`` is what is shown to somebody of whom no language is known.
    op.execute("""
        CREATE TABLE stations (
            id uuid NOT NULL,
            name text NOT NULL GENERATED ALWAYS AS (coalesce(name_en, name_ar)) STORED,
            name_ar text,
            name_en text,
            latitude double precision NOT NULL,
            longitude double precision NOT NULL,
            zone text NOT NULL DEFAULT 'Africa/Cairo',
            is_active boolean NOT NULL DEFAULT true,
            feed_code text,
            search_text text NOT NULL GENERATED ALWAYS AS (folded(coalesce(name_ar, '') || ' ' || coalesce(name_en, ''))) STORED,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            updated_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT stations_pkey PRIMARY KEY (id),
            CONSTRAINT stations_has_a_name CHECK (name_ar IS NOT NULL OR name_en IS NOT NULL),
            CONSTRAINT stations_name_ar CHECK (length(name_ar) BETWEEN 1 AND 200),
            CONSTRAINT stations_name_en CHECK (length(name_en) BETWEEN 1 AND 200),
            CONSTRAINT stations_place CHECK (latitude BETWEEN -90 AND 90 AND longitude BETWEEN -180 AND 180)
        )
    """)
    op.execute("CREATE UNIQUE INDEX stations_feed_code_idx ON stations (feed_code)")
    op.execute("CREATE INDEX stations_place_idx ON stations (latitude, longitude)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON stations TO holdfast_app")

    op.execute("""
        CREATE TABLE routes (
            id uuid NOT NULL,
            name text NOT NULL GENERATED ALWAYS AS (coalesce(name_en, name_ar)) STORED,
            name_ar text,
            name_en text,
            code text,
            base_fare bigint NOT NULL,
            currency text NOT NULL,
            usual_seats integer,
            is_active boolean NOT NULL DEFAULT true,
            feed_code text,
            search_text text NOT NULL GENERATED ALWAYS AS
                (folded(coalesce(name_ar, '') || ' ' || coalesce(name_en, '') || ' ' || coalesce(code, ''))) STORED,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            updated_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT routes_pkey PRIMARY KEY (id),
            CONSTRAINT routes_has_a_name CHECK (name_ar IS NOT NULL OR name_en IS NOT NULL),
            CONSTRAINT routes_name_ar CHECK (length(name_ar) BETWEEN 1 AND 500),
            CONSTRAINT routes_name_en CHECK (length(name_en) BETWEEN 1 AND 500),
            CONSTRAINT routes_code CHECK (length(code) BETWEEN 1 AND 50),
            CONSTRAINT routes_usual_seats CHECK (usual_seats BETWEEN 1 AND 60),
            CONSTRAINT routes_base_fare CHECK (base_fare BETWEEN 0 AND 100000000),
            CONSTRAINT routes_currency CHECK (currency ~ '^[A-Z]{3}$')
        )
    """)
    op.execute("CREATE UNIQUE INDEX routes_feed_code_idx ON routes (feed_code)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON routes TO holdfast_app")

    op.execute("""
        CREATE TABLE route_stations (
            route_id uuid NOT NULL CONSTRAINT route_stations_route_id_fkey REFERENCES routes (id),
            station_id uuid NOT NULL CONSTRAINT route_stations_station_id_fkey REFERENCES stations (id),
            station_order integer NOT NULL,
            CONSTRAINT route_stations_pkey PRIMARY KEY (route_id, station_id),
            CONSTRAINT route_stations_route_id_station_order_key UNIQUE (route_id, station_order),
            CONSTRAINT route_stations_station_order CHECK (station_order >= 1)
        )
    """)
    op.execute("CREATE INDEX route_stations_station_id_idx ON route_stations (station_id)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON route_stations TO holdfast_app")

    op.execute("""
        CREATE TABLE driver_profiles (
            id uuid NOT NULL,
            user_id uuid NOT NULL CONSTRAINT driver_profiles_user_id_fkey REFERENCES users (id),
            vehicle_number text NOT NULL,
            vehicle_type text NOT NULL,
            total_seats integer NOT NULL,
            license_number bytea NOT NULL,
            verification_status text NOT NULL,
            rejection_reason text,
            decided_by uuid,
            decided_at timestamptz,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            updated_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT driver_profiles_pkey PRIMARY KEY (id),
            CONSTRAINT driver_profiles_user_id_key UNIQUE (user_id),
            CONSTRAINT driver_profiles_total_seats CHECK (total_seats BETWEEN 1 AND 60),
            CONSTRAINT driver_profiles_verification_status CHECK (verification_status IN ('PENDING', 'APPROVED', 'REJECTED')),
            CONSTRAINT driver_profiles_rejected_has_a_reason CHECK ((verification_status = 'REJECTED') = (rejection_reason IS NOT NULL)),
            CONSTRAINT driver_profiles_decided CHECK ((decided_at IS NULL) = (decided_by IS NULL)),
            CONSTRAINT driver_profiles_pending_is_undecided CHECK (verification_status <> 'PENDING' OR decided_at IS NULL)
        )
    """)
    op.execute("CREATE INDEX driver_profiles_verification_status_idx ON driver_profiles (verification_status, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON driver_profiles TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE driver_profiles, route_stations, routes, stations")
    op.execute("DROP FUNCTION folded(text), metres_between(float8, float8, float8, float8)")
