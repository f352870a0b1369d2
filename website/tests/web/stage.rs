//! A website on a free port, with a database of its own.

use crate::answer::Answer;
use std::{future::Future, net::SocketAddr, sync::Arc};
use tempfile::TempDir;
use tokio::runtime::Runtime;
use website::{App, Settings, db::Tx, web};

pub struct Stage {
    pub app: Arc<App>,
    address: SocketAddr,
    agent: ureq::Agent,
    token: String,
    runtime: Runtime,
    _data: TempDir,
}

impl Stage {
    pub fn sqlite() -> Stage {
        Stage::on(None)
    }

    /// On a fresh database of the PostgreSQL server, if there is one.
    pub fn postgres() -> Option<Stage> {
        test_kit::postgres::database("web").map(|url| Stage::on(Some(url)))
    }

    fn on(database_url: Option<String>) -> Stage {
        let runtime = Runtime::new().unwrap();
        let data = tempfile::tempdir().unwrap();
        let settings = Settings { database_url, ..Settings::new(data.path().to_owned()).on_free_ports() };
        let (app, address, token) = runtime.block_on(async {
            let app = App::open(settings).await.unwrap();
            app.mqtt.set("127.0.0.1:1883".parse().unwrap()).unwrap();
            let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let service = web::router(Arc::clone(&app)).into_make_service_with_connect_info::<SocketAddr>();
            tokio::spawn(async move { axum::serve(listener, service).await });
            let token = web::token::create(&app.db, "tests").await.unwrap();
            (app, address, token)
        });
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .allow_non_standard_methods(true)
            .max_redirects(0)
            // The server closes a connection whose body it had no need to read.
            .max_idle_connections(0)
            .build()
            .into();
        Stage { app, address, agent, token, runtime, _data: data }
    }

    /// Does something with the website's own functions.
    pub fn run<T>(&self, doing: impl Future<Output = T>) -> T {
        self.runtime.block_on(doing)
    }

    /// Changes the tables behind the website's back: what only time can do.
    pub fn sql(&self, statement: &'static str) {
        self.run(async {
            let mut tx = self.app.db.write().await.unwrap();
            match &mut tx {
                Tx::Pg(tx) => drop(sqlx::query(statement).execute(&mut **tx).await.unwrap()),
                Tx::Lite(tx) => drop(sqlx::query(statement).execute(&mut **tx).await.unwrap()),
            }
            tx.commit().await.unwrap();
        });
    }

    pub fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Sends one request as it is given.
    #[track_caller]
    pub fn send(&self, method: &str, path: &str, headers: &[(&str, &str)], body: &str) -> Answer {
        let url = format!("{}{path}", self.origin());
        let mut request = ureq::http::Request::builder().method(method).uri(url);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let mut response = self.agent.run(request.body(body.to_owned()).unwrap()).unwrap();
        let body = response.body_mut().read_to_string().unwrap();
        Answer { status: response.status().as_u16(), headers: response.headers().clone(), body }
    }

    /// One call of the API with a good token.
    #[track_caller]
    pub fn api(&self, method: &str, path: &str, body: &str) -> Answer {
        let bearer = format!("Bearer {}", self.token);
        let headers = [("authorization", bearer.as_str()), ("content-type", "application/json")];
        self.send(method, &format!("/api/v1{path}"), &headers[..if body.is_empty() { 1 } else { 2 }], body)
    }

    /// What a monitoring system gets with a good token.
    #[track_caller]
    pub fn scrape(&self, path: &str) -> Answer {
        self.send("GET", path, &[("authorization", &format!("Bearer {}", self.token))], "")
    }

    /// Comes in by a fresh link, as a person does.
    #[track_caller]
    pub fn sign_in(&self) -> Browser<'_> {
        let link = self.run(web::login::new_link(&self.app.db)).unwrap();
        let answer = self.send("POST", &link, &[("origin", &self.origin())], "").expect(303);
        let cookie = answer.header("set-cookie").split(';').next().unwrap().to_owned();
        Browser { stage: self, cookie }
    }
}

/// A browser with a session.
pub struct Browser<'a> {
    stage: &'a Stage,
    pub cookie: String,
}

impl Browser<'_> {
    #[track_caller]
    pub fn get(&self, path: &str) -> Answer {
        self.stage.send("GET", path, &[("cookie", &self.cookie)], "")
    }

    /// Sends a form from one of our own pages.
    #[track_caller]
    pub fn post(&self, path: &str, form: &str) -> Answer {
        self.post_from(&self.stage.origin(), path, form)
    }

    /// Sends a form from a page of `origin`.
    #[track_caller]
    pub fn post_from(&self, origin: &str, path: &str, form: &str) -> Answer {
        let form_type = "application/x-www-form-urlencoded";
        let headers = [("cookie", self.cookie.as_str()), ("origin", origin), ("content-type", form_type)];
        self.stage.send("POST", path, &headers, form)
    }

    /// Sends a form and follows to the page it leads to.
    #[track_caller]
    pub fn submit(&self, path: &str, form: &str) -> Answer {
        let answer = self.post(path, form).expect(303);
        self.get(answer.header("location")).expect(200)
    }
}
