//! Schema: the migrations, compiled in; and whether the database has those that this program needs.

use crate::shutdown::Shutdown;
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Every migration under `migrations/`, reversible.
pub static MIGRATIONS: Migrator = sqlx::migrate!("../migrations");

/// Interval between two looks at the schema, within which a service notices that somebody has migrated.
const LOOK_EVERY: Duration = Duration::from_secs(2);

/// Comparison of a database's schema with what this program needs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fit {
    /// It has all migrations that this program knows, and no others.
    Exact,
    /// It has others besides. A release's migrations leave to the programs of the release before what these need, so that they go on.
    Newer {
        /// Version of the schema.
        schema: i64,
        /// Version that this program knows.
        known: i64,
    },
    /// It lacks some.
    Older {
        /// Version of the schema.
        schema: i64,
        /// Version that this program needs.
        needed: i64,
    },
    /// It has none.
    Empty,
}

impl Fit {
    /// Compares the migrations `applied` with those that are `needed`.
    fn of(applied: &[i64], needed: &[i64]) -> Self {
        let last = |versions: &[i64]| versions.iter().copied().max().unwrap_or_default();
        if applied.is_empty() && !needed.is_empty() {
            Self::Empty
        } else if needed.iter().any(|version| !applied.contains(version)) {
            Self::Older { schema: last(applied), needed: last(needed) }
        } else if last(applied) > last(needed) {
            Self::Newer { schema: last(applied), known: last(needed) }
        } else {
            Self::Exact
        }
    }

    /// Checks that this program can work on it. The error says why not, and what to do.
    pub fn check(&self) -> Result<(), String> {
        match self {
            Self::Exact | Self::Newer { .. } => Ok(()),
            Self::Older { schema, needed } => Err(format!(
                "the database's schema is at version {schema}, and this program needs version {needed}: run `throughline migrate`"
            )),
            Self::Empty => Err("the database has no tables yet: run `throughline migrate`".to_owned()),
        }
    }
}

/// Compares the schema of the database with what this program needs.
pub async fn look(pool: &PgPool) -> Result<Fit, sqlx::Error> {
    let is_there = r#"SELECT to_regclass('_sqlx_migrations') IS NOT NULL"#;
    let mut applied: Vec<i64> = Vec::new();
    if sqlx::query_scalar::<_, bool>(is_there).fetch_one(pool).await? {
        let versions = "SELECT version FROM _sqlx_migrations WHERE success";
        applied = sqlx::query_scalar(versions).fetch_all(pool).await?;
    }
    let needed: Vec<i64> = MIGRATIONS.iter().map(|migration| migration.version).collect();
    Ok(Fit::of(&applied, &needed))
}

/// Checks that this program can work on the database now. The error says why not. Not tried again: readiness wants the answer now.
pub async fn check(pool: &PgPool) -> Result<(), String> {
    let fit = look(pool).await.map_err(|error| format!("the database does not answer: {error}"))?;
    fit.check()
}

/// Gate that keeps a service from its work until the schema fits. Clones share the answer.
#[derive(Clone, Debug, Default)]
pub struct Gate(CancellationToken);

impl Gate {
    /// Looks until the schema fits or shutdown is asked for, and opens then. What it waits for is said once, and again when it changes.
    pub async fn keep(&self, pool: &PgPool, shutdown: &Shutdown) {
        let mut said = None;
        while !shutdown.is_asked() {
            let why = match look(pool).await {
                Ok(fit) => match fit.check() {
                    Ok(()) => {
                        if let Fit::Newer { schema, known } = fit {
                            tracing::warn!(
                                schema,
                                known,
                                "the database's schema is newer than this program, which goes on: upgrade it soon"
                            );
                        }
                        if said.is_some() {
                            tracing::info!("the database's schema fits: beginning");
                        }
                        self.0.cancel();
                        return;
                    }
                    Err(why) => why,
                },
                Err(error) => format!("the database cannot be reached: {error}"),
            };
            if said.as_ref() != Some(&why) {
                tracing::warn!(why, "waiting for the database; no attempt is counted");
                said = Some(why);
            }
            tokio::select! {
                () = tokio::time::sleep(LOOK_EVERY) => {}
                () = shutdown.asked() => {}
            }
        }
    }

    /// Waits until the schema fits; false where shutdown is asked for before.
    pub async fn passed(&self, shutdown: &Shutdown) -> bool {
        tokio::select! {
            biased;
            () = self.0.cancelled() => true,
            () = shutdown.asked() => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Migrations that were made before there was this rule.
    const BEFORE: i64 = 13;

    #[test]
    fn a_constraint_on_a_table_that_has_rows_is_not_validated_in_the_migration_that_adds_it() {
        for migration in
            MIGRATIONS.iter().filter(|it| it.version > BEFORE && it.migration_type.is_up_migration())
        {
            let sql = migration.sql.as_str().to_uppercase();
            let sql: String = sql.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
            let (version, statements) = (migration.version, sql.split(';'));
            for statement in
                statements.filter(|it| it.contains("ALTER TABLE") && it.contains("ADD CONSTRAINT"))
            {
                let scans = statement.contains("CHECK") || statement.contains("FOREIGN KEY");
                assert!(!scans || statement.contains("NOT VALID"), "migration {version}: {statement}");
            }
            let both = sql.contains("NOT VALID") && sql.contains("VALIDATE CONSTRAINT");
            assert!(!both, "migration {version} validates what it adds: that belongs into the next one");
        }
    }

    #[test]
    fn a_schema_that_lacks_anything_is_named_with_what_to_do() {
        let why = |applied: &[i64]| Fit::of(applied, &[1, 2, 3]).check().expect_err("does not fit");
        assert!(why(&[]).contains("no tables yet") && why(&[]).contains("throughline migrate"));
        assert!(why(&[1, 2]).contains("at version 2, and this program needs version 3"));
        // One in the middle, as when two branches were merged.
        assert!(why(&[1, 3]).contains("throughline migrate"));
    }

    #[test]
    fn a_schema_with_all_that_is_needed_fits_also_where_it_has_more() {
        assert_eq!(Fit::of(&[1, 2, 3], &[1, 2, 3]), Fit::Exact);
        assert_eq!(Fit::of(&[1, 2, 3, 4], &[1, 2, 3]), Fit::Newer { schema: 4, known: 3 });
        assert_eq!(Fit::of(&[1, 2, 3, 4], &[1, 2, 3]).check(), Ok(()));
    }
}
