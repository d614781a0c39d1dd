//! Testing: an isolated database and an isolated virtual host for each test, on the real servers; and the programs of others that
//! tests hold ours against.

use crate::schema::MIGRATIONS;
use sqlx::{Connection, PgConnection, PgPool};
use std::path::{Path, PathBuf};
use uuid::Uuid;

/// A test's own corner of Postgres and RabbitMQ, deleted by [`Corner::close`]; a test that fails leaves it for a look, and it
/// goes with the private servers.
pub struct Corner {
    /// Address of the test's database.
    pub database_url: String,
    /// AMQP address of the test's virtual host.
    pub amqp_url: String,
    name: String,
    admin_database: String,
    management: String,
}

/// The value of an environment variable that `deploy/test` sets. A test without its servers fails; it does not pass by not running.
pub fn required(variable: &str) -> String {
    std::env::var(variable).unwrap_or_else(|_| {
        panic!("{variable} is not set: run the tests with deploy/test, which starts RabbitMQ and Postgres")
    })
}

/// A program of the project, in the folder THROUGHLINE_BIN_DIR, or the folder above the one this test runs from.
pub fn program(name: &str) -> PathBuf {
    let folder = std::env::var_os("THROUGHLINE_BIN_DIR").map_or_else(built_with_this_test, PathBuf::from);
    let program = folder.join(name);
    assert!(
        program.is_file(),
        "{} is not there: run the tests with deploy/test, which builds the services first",
        program.display()
    );
    program
}

fn built_with_this_test() -> PathBuf {
    let test = std::env::current_exe().expect("this test's own path");
    test.ancestors().nth(2).expect("target/<profile>/deps/<test>").to_path_buf()
}

/// A program that `deploy/install --tests` has put into `.throughline/tools/bin`: node, npm, python3, chromium, prometheus, promtool.
pub fn tool(name: &str) -> PathBuf {
    let bin = Path::new(env!("CARGO_MANIFEST_DIR")).join("../.throughline/tools/bin");
    let tool = bin.join(name);
    assert!(tool.exists(), "{} is missing: run deploy/install --tests", tool.display());
    // The folder made absolute, the links in it left alone.
    bin.canonicalize().map(|bin| bin.join(name)).unwrap_or(tool)
}

impl Corner {
    /// Makes a migrated database and a virtual host.
    pub async fn open() -> anyhow::Result<Self> {
        let (database, amqp) = (required("THROUGHLINE_DATABASE_URL"), required("THROUGHLINE_AMQP_URL"));
        Self::open_on(database, &amqp, required("THROUGHLINE_RABBITMQ_MANAGEMENT_URL")).await
    }

    /// The same on other servers than those of all tests.
    pub async fn open_on(admin_database: String, amqp: &str, management: String) -> anyhow::Result<Self> {
        let name = format!("test_{}", Uuid::now_v7().simple());
        let mut admin = PgConnection::connect(&admin_database).await?;
        sqlx::raw_sql(sqlx::AssertSqlSafe(format!("CREATE DATABASE {name}"))).execute(&mut admin).await?;
        let mut database_url = url::Url::parse(&admin_database)?;
        database_url.set_path(&name);
        MIGRATIONS.run(&mut PgConnection::connect(database_url.as_str()).await?).await?;

        let http = reqwest::Client::new();
        let vhost = format!("{management}/api/vhosts/{name}");
        http.put(&vhost).header("content-type", "application/json").send().await?.error_for_status()?;
        let mut amqp_url = url::Url::parse(amqp)?;
        amqp_url.set_path(&name);
        Ok(Self {
            database_url: database_url.into(),
            amqp_url: amqp_url.into(),
            name,
            admin_database,
            management,
        })
    }

    /// Address of the broker's management.
    pub fn management_url(&self) -> &str {
        &self.management
    }

    /// A pool on the test's database.
    pub fn pool(&self) -> anyhow::Result<PgPool> {
        Ok(crate::transaction::pool(&self.database_url, 5, "test")?)
    }

    /// Deletes the virtual host with all its messages, and makes it anew: what a broker whose data is lost looks like.
    pub async fn wipe_broker(&self) -> anyhow::Result<()> {
        let (http, vhost) = (reqwest::Client::new(), format!("{}/api/vhosts/{}", self.management, self.name));
        http.delete(&vhost).send().await?.error_for_status()?;
        http.put(&vhost).header("content-type", "application/json").send().await?.error_for_status()?;
        Ok(())
    }

    /// Deletes the database and the virtual host.
    pub async fn close(self) -> anyhow::Result<()> {
        let mut admin = PgConnection::connect(&self.admin_database).await?;
        let drop = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        sqlx::raw_sql(sqlx::AssertSqlSafe(drop)).execute(&mut admin).await?;
        let vhost = format!("{}/api/vhosts/{}", self.management, self.name);
        reqwest::Client::new().delete(&vhost).send().await?.error_for_status()?;
        Ok(())
    }
}
