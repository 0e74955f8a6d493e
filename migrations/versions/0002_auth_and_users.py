"""People, the codes they sign in with, their sign-ins, and the refresh tokens of those."""

from alembic import op

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # People with only an e-mail come later, and erased ones keep their row: so the phone is unique but may be missing.
    op.execute("""
        CREATE TABLE users (
            id uuid NOT NULL,
            phone text,
            role text NOT NULL,
            is_active boolean NOT NULL DEFAULT true,
            is_verified boolean NOT NULL DEFAULT false,
            name text,
            language text,
            version bigint NOT NULL DEFAULT 1,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            updated_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT users_pkey PRIMARY KEY (id),
            CONSTRAINT users_phone_key UNIQUE (phone),
            CONSTRAINT users_phone CHECK (phone ~ '^[+][1-9][0-9]{6,14}$'),
            CONSTRAINT users_role CHECK (role IN ('PASSENGER', 'DRIVER', 'PROVIDER', 'ADMIN')),
            CONSTRAINT users_name CHECK (length(name) BETWEEN 1 AND 100),
            CONSTRAINT users_language CHECK (language IN ('ar', 'en'))
        )
    """)
    op.execute("CREATE INDEX users_role_idx ON users (role, id)")
    op.execute("GRANT SELECT, INSERT, UPDATE ON users TO holdfast_app")

    op.execute("""
        CREATE TABLE otp_challenges (
            id uuid NOT NULL,
            phone text NOT NULL,
            code_hash bytea NOT NULL,
            is_test boolean NOT NULL,
            tries_left smallint NOT NULL,
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT otp_challenges_pkey PRIMARY KEY (id),
            CONSTRAINT otp_challenges_phone CHECK (phone ~ '^[+][1-9][0-9]{6,14}$'),
            CONSTRAINT otp_challenges_code_hash CHECK (octet_length(code_hash) = 32),
            CONSTRAINT otp_challenges_tries_left CHECK (tries_left >= 0),
            CONSTRAINT otp_challenges_lifetime CHECK (expires_at > created_at)
        )
    """)
    op.execute("CREATE INDEX otp_challenges_expires_at_idx ON otp_challenges (expires_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON otp_challenges TO holdfast_app")

    op.execute("""
        CREATE TABLE logins (
            id uuid NOT NULL,
            user_id uuid NOT NULL,
            generation integer NOT NULL DEFAULT 1,
            changed_at timestamptz,
            ended_at timestamptz,
            end_reason text,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            CONSTRAINT logins_pkey PRIMARY KEY (id),
            CONSTRAINT logins_user_id_fkey FOREIGN KEY (user_id) REFERENCES users (id),
            CONSTRAINT logins_generation CHECK (generation > 0),
            CONSTRAINT logins_end_reason CHECK (end_reason IN ('LOGGED_OUT', 'ACCESS_CHANGED', 'TOKEN_REUSED')),
            CONSTRAINT logins_ended CHECK ((ended_at IS NULL) = (end_reason IS NULL)),
            CONSTRAINT logins_changed CHECK (ended_at IS NULL OR changed_at IS NOT NULL)
        )
    """)
    op.execute("CREATE INDEX logins_user_id_idx ON logins (user_id) WHERE ended_at IS NULL")
    # What each process asks for several times a second: which sign-ins had their access tokens taken back just now.
    op.execute("CREATE INDEX logins_changed_at_idx ON logins (changed_at) WHERE changed_at IS NOT NULL")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON logins TO holdfast_app")

    op.execute("""
        CREATE TABLE refresh_tokens (
            token_hash bytea NOT NULL,
            login_id uuid NOT NULL,
            created_at timestamptz NOT NULL DEFAULT business_now(),
            expires_at timestamptz NOT NULL,
            used_at timestamptz,
            CONSTRAINT refresh_tokens_pkey PRIMARY KEY (token_hash),
            CONSTRAINT refresh_tokens_login_id_fkey FOREIGN KEY (login_id) REFERENCES logins (id) ON DELETE CASCADE,
            CONSTRAINT refresh_tokens_token_hash CHECK (octet_length(token_hash) = 32),
            CONSTRAINT refresh_tokens_lifetime CHECK (expires_at > created_at)
        )
    """)
    op.execute("CREATE INDEX refresh_tokens_login_id_idx ON refresh_tokens (login_id)")
    op.execute("CREATE INDEX refresh_tokens_expires_at_idx ON refresh_tokens (expires_at)")
    op.execute("GRANT SELECT, INSERT, UPDATE, DELETE ON refresh_tokens TO holdfast_app")


def downgrade() -> None:
    op.execute("DROP TABLE refresh_tokens, logins, otp_challenges, users")
