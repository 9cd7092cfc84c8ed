//! Failures between a node and its PostgreSQL, none of which loses or duplicates anything.

use kirc_core::port::{Answer, Query};

use super::*;

/// The server does what it was asked to, and the answer is lost.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_commit_whose_answer_is_lost_is_there_once_when_it_is_repeated() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES_PLAIN"));
    let (wire, store) = rig.by_wire().await;
    store.load().await.unwrap();
    let link = rig.link().await;
    for round in 0..5 {
        wire.swallow_answers(true);
        let before = wire.answered();
        let ops = vec![message(&round.to_string()), put("p", &[round])];
        let done = store.commit(ops.clone().into());
        // The server has answered: it is done, and nobody here knows.
        let there = async {
            while count(&link.client, "message").await < i64::from(round) + 1 || wire.answered() == before {}
        };
        timeout(Duration::from_secs(10), there).await.unwrap();
        wire.cut();
        wire.swallow_answers(false);
        let error = done.await.unwrap_err();
        assert!(error.0.contains("was cut"), "{error}");
        store.commit(ops.into()).await.unwrap();
        assert_eq!(count(&link.client, "message").await, i64::from(round) + 1);
    }
    assert!(store.health().borrow().up);
    let values = store.load().await.unwrap().values;
    assert_eq!(values[&(Table::Position, "p".to_owned())], [4]);
}

/// A cut at any moment: what was answered is there, and what is repeated is there once.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn cuts_at_any_moment_lose_and_double_nothing() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES_PLAIN"));
    let (wire, store) = rig.by_wire().await;
    let (mut cuts, mut failures) = (0, 0);
    for i in 0..300_u32 {
        let ops = vec![message(&i.to_string()), put("p", &i.to_be_bytes())];
        let mut done = store.commit(ops.clone().into());
        if i % 10 == 7 {
            tokio::time::sleep(Duration::from_micros(u64::from(i) * 7)).await;
            wire.cut();
            cuts += 1;
        }
        while let Err(error) = done.await {
            failures += 1;
            assert!(failures < 1_000, "{error}");
            done = store.commit(ops.clone().into());
        }
    }
    assert_eq!(cuts, 30);
    let link = rig.link().await;
    assert_eq!(count(&link.client, "message").await, 300);
    let values = store.load().await.unwrap().values;
    assert_eq!(values[&(Table::Position, "p".to_owned())], 299_u32.to_be_bytes());
}

/// Nobody asks for anything, and yet it is told.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn health_goes_down_and_comes_back_by_itself() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES"));
    let (wire, store) = rig.by_wire().await;
    store.load().await.unwrap();
    let mut health = store.health();
    wire.block(true);
    let down = is(&mut health, false).await;
    assert!(down.reason.contains("PostgreSQL at"), "{down:?}");
    assert!(store.commit(vec![message("1")].into()).await.is_err());
    wire.block(false);
    is(&mut health, true).await;
    store.commit(vec![message("1")].into()).await.unwrap();
}

/// It is opened before there is a server.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn it_opens_without_a_server() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES"));
    let (wire, store) = rig.by_wire().await;
    wire.block(true);
    assert!(store.load().await.is_err());
    wire.block(false);
    is(&mut store.health(), true).await;
    store.load().await.unwrap();
    store.close().await.unwrap();
}

/// An administrator ends the sessions: the next commit and the next question find others.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn sessions_that_were_ended_are_made_anew() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES"));
    let store = rig.store();
    let question = || {
        store.query(Query::History {
            target: "#a".to_owned(),
            window: kirc_core::port::Window::before(None),
            limit: 1,
        })
    };
    store.commit(vec![message("1")].into()).await.unwrap();
    question().await.unwrap();
    let link = rig.link().await;
    let name: String = {
        let low = super::super::link::number(&rig.0.schema) & 0xffff_ffff;
        let who = "SELECT a.application_name FROM pg_stat_activity a JOIN pg_locks l ON l.pid = a.pid \
                   WHERE l.locktype = 'advisory' AND l.objid = $1::bigint::oid";
        link.client.query_one(who, &[&low]).await.unwrap().get(0)
    };
    let end = "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity WHERE application_name = $1";
    assert_eq!(link.client.query(end, &[&name]).await.unwrap().len(), 2);
    let mut tries = 0;
    while let Err(error) = store.commit(vec![message("2")].into()).await {
        tries += 1;
        assert!(tries < 100 && error.0.contains("kirc connects again"), "{error}");
    }
    match question().await.unwrap() {
        Answer::History { rows, .. } => assert_eq!(rows.len(), 1),
        Answer::Log { .. } => panic!("a log"),
    }
    assert!(store.health().borrow().up);
}

/// What goes wrong is said in words that help, and without the password.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn faults_are_sentences() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES"));
    let at = place(&rig.0.uri);
    let user = rig.0.uri.expose().split_once("://").unwrap().1.split_once(':').unwrap().0.to_owned();
    let tail = rig.0.uri.expose().rsplit_once(&at).unwrap().1.to_owned();
    let database = tail.trim_start_matches('/').split('?').next().unwrap().to_owned();
    let login = rig.0.uri.expose().rsplit_once('@').unwrap().0.to_owned();
    let failure = |uri: String, ca, schema: &str| {
        let settings = PostgresSettings { uri: Secret::new(uri), schema: schema.to_owned(), ca };
        async move {
            let store = PostgresStore::open(&settings).unwrap();
            let error = store.load().await.unwrap_err().0;
            assert_eq!(*store.health().borrow(), Health { up: false, reason: error.clone() });
            error
        }
    };
    let schema = rig.0.schema.clone();
    let wrong = failure(format!("postgres://{user}:hidden@{at}{tail}"), ca(), &schema).await;
    assert!(wrong.contains("check user and password") && !wrong.contains("hidden"), "{wrong}");
    let none = failure(format!("{login}@{at}/no_such_database?sslmode=verify-full"), ca(), &schema).await;
    assert!(none.contains("has no database no_such_database") || none.contains("allow list"), "{none}");
    let unknown = failure(format!("{login}@{at}{tail}"), None, &schema).await;
    assert!(unknown.contains("ca.pem"), "{unknown}");
    let rights = failure(format!("{login}@{at}{tail}"), ca(), "information_schema").await;
    assert!(rights.contains("lacks rights") && rights.contains("CREATE SCHEMA"), "{rights}");
    let nobody = failure("postgres://u:hidden@127.0.0.1:1/d?sslmode=disable".to_owned(), None, "s").await;
    assert!(nobody.contains("nobody listens at 127.0.0.1:1"), "{nobody}");
    // As with libpq: no check without a CA, the chain alone, no TLS at all.
    for (mode, ca) in [("require", None), ("require", ca()), ("verify-ca", ca()), ("verify-full", ca())] {
        let uri = Secret::new(format!("{login}@{at}/{database}?sslmode={mode}"));
        let store = PostgresStore::open(&PostgresSettings { uri, schema: schema.clone(), ca }).unwrap();
        store.load().await.unwrap();
        store.close().await.unwrap();
    }
}

/// All connections of the role are taken: it is told, and questions are answered by the connection
/// that there is.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn out_of_connections_is_survived() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES"));
    let Some(admin) = service("KIRC_TEST_POSTGRES_ADMIN") else { return };
    let admin = PostgresSettings { uri: admin, ..rig.0.clone() };
    let admin = Link::open(&Place::new(&admin).unwrap(), "a test").await.unwrap();
    // A user of its own, so that other tests keep theirs. It may use the schema, and need not be
    // allowed to make one.
    let name = own_name();
    let database = Place::new(&rig.0).unwrap().database;
    let make = format!(
        "CREATE ROLE {name} LOGIN PASSWORD 'x' CONNECTION LIMIT 1; GRANT CONNECT ON DATABASE \"{database}\" TO {name}"
    );
    admin.client.batch_execute(&make).await.unwrap();
    let owner = rig.link().await;
    let schema = Place::new(&rig.0).unwrap().quoted_schema();
    let give = format!("CREATE SCHEMA {schema}; GRANT ALL ON SCHEMA {schema} TO {name}");
    owner.client.batch_execute(&give).await.unwrap();
    let uri = rig.0.uri.expose();
    let at = &uri[uri.rfind('@').unwrap()..];
    let uri = Secret::new(format!("postgres://{name}:x{at}"));
    let settings = PostgresSettings { uri, ..rig.0.clone() };
    let store = PostgresStore::open(&settings).unwrap();
    store.commit(vec![message("1")].into()).await.unwrap();
    let query =
        Query::History { target: "#a".to_owned(), window: kirc_core::port::Window::before(None), limit: 10 };
    match store.query(query).await.unwrap() {
        Answer::History { rows, .. } => assert_eq!(rows.len(), 1),
        Answer::Log { .. } => panic!("a log"),
    }
    assert!(store.health().borrow().up);
    let other = PostgresStore::open(&settings).unwrap();
    let error = other.load().await.unwrap_err();
    assert!(error.0.contains("has no connection left"), "{error}");
    store.close().await.unwrap();
    is(&mut other.health(), true).await;
    assert_eq!(other.load().await.unwrap().values.len(), 0);
    other.close().await.unwrap();
    owner.client.batch_execute(&format!("DROP SCHEMA {schema} CASCADE")).await.unwrap();
    admin.client.batch_execute(&format!("DROP OWNED BY {name} CASCADE; DROP ROLE {name}")).await.unwrap();
}

/// The disk is full (as the server says it): nothing was changed, it is told, and it goes on when
/// there is room.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_full_disk_changes_nothing() {
    let rig = or_leave!(real("KIRC_TEST_POSTGRES"));
    let store = rig.store();
    store.commit(vec![put("k", b"v")].into()).await.unwrap();
    let link = rig.link().await;
    let full = "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS \
                'BEGIN RAISE EXCEPTION USING ERRCODE = ''53100'', MESSAGE = ''no space left on device''; END'; \
                CREATE TRIGGER full_disk BEFORE INSERT ON message EXECUTE FUNCTION full_disk()";
    link.client.batch_execute(full).await.unwrap();
    // What comes before the failing statement in the same commit, and behind it.
    let ops = vec![put("k", b"w"), message("1"), StoreOp::Settled { id: "1".to_owned() }];
    let error = store.commit(ops.clone().into()).await.unwrap_err();
    assert!(error.0.contains("is full") && error.0.contains("make room"), "{error}");
    assert_eq!(*store.health().borrow(), Health { up: false, reason: error.0 });
    let values = store.load().await.unwrap().values;
    assert_eq!(values[&(Table::Position, "k".to_owned())], b"v");
    assert!(!store.health().borrow().up, "reading works, writing does not");
    link.client.batch_execute("DROP TRIGGER full_disk ON message").await.unwrap();
    store.commit(ops.into()).await.unwrap();
    assert!(store.health().borrow().up);
    assert_eq!(count(&link.client, "message").await, 1);
}
