//! One answer of the website.

use serde_json::Value;

#[derive(Debug, Clone)]
pub struct Answer {
    pub status: u16,
    pub headers: ureq::http::HeaderMap,
    pub body: String,
}

impl Answer {
    #[track_caller]
    pub fn expect(self, status: u16) -> Answer {
        assert_eq!(self.status, status, "{} {:?}", self.body, self.headers);
        self
    }

    /// A header's text, empty when there is none.
    pub fn header(&self, name: &str) -> &str {
        self.headers.get(name).map(|value| value.to_str().unwrap()).unwrap_or_default()
    }

    #[track_caller]
    pub fn json(&self) -> Value {
        serde_json::from_str(&self.body).unwrap_or_else(|_| panic!("no JSON: {}", self.body))
    }

    #[track_caller]
    pub fn says(self, words: &str) -> Answer {
        assert!(self.body.contains(words), "{words:?} is not in {}", self.body);
        self
    }

    #[track_caller]
    pub fn does_not_say(self, words: &str) -> Answer {
        assert!(!self.body.contains(words), "{words:?} is in {}", self.body);
        self
    }

    /// What stands in every attribute `name` of the page.
    pub fn attributes(&self, name: &str) -> Vec<String> {
        let start = format!(" {name}=\"");
        let values = self.body.split(&start).skip(1).map(|rest| rest.split('"').next().unwrap());
        values.map(|value| value.replace("&#38;", "&").replace("&amp;", "&")).collect()
    }
}
