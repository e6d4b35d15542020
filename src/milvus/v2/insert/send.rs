//! Sending a request that lies in parts.

use http::header::{CONTENT_TYPE, TE};
use http::{HeaderValue, Method, Request, Uri, Version};
use tonic::client::GrpcService;
use tonic::codec::{Codec, Streaming};
use tonic_prost::ProstCodec;

use super::frames::Frames;
use crate::error::Retry;
use crate::milvus::v2::proto::milvus::MutationResult;
use crate::milvus::v2::retry::Pauses;
use crate::milvus::v2::rpc::{Answer, GRACE, path_of};
use crate::milvus::v2::{Client, MilvusError, Result, connect};

/// What a request does with its rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// Adds them. A Milvus does not look whether it holds their ids already.
    Insert,
    /// Adds them in place of those in the same partition that have their ids. Doing it twice is
    /// doing it once.
    Upsert,
}

impl Verb {
    /// The call's name.
    pub fn name(self) -> &'static str {
        match self {
            Verb::Insert => "Insert",
            Verb::Upsert => "Upsert",
        }
    }
}

impl Client {
    /// Sends rows, and again while that fails for a passing reason and time is left. `again` is
    /// told of each repetition, and as what it is sent.
    ///
    /// Where nobody knows whether the request was carried out, it is repeated as `repeat_as`:
    /// doing that after `verb` must be the same as doing `verb` once. `None` makes such a failure
    /// final. `in_doubt` is set from the first such failure on: when the call fails in the end,
    /// the rows may be there all the same.
    ///
    /// # Errors
    /// When the server refuses, or its answer does not come.
    pub async fn insert(
        &self,
        verb: Verb,
        repeat_as: Option<Verb>,
        frames: &Frames,
        in_doubt: &mut bool,
        again: &mut (dyn FnMut(Verb) + Send),
    ) -> Result<()> {
        let mut pauses = Pauses::new(self.retry_for());
        let mut verb = verb;
        loop {
            let Err(error) = self.send_rows(verb, frames).await else { return Ok(()) };
            *in_doubt |= error.retry() == Retry::Ambiguous;
            match (error.retry(), repeat_as) {
                (Retry::BackOff, _) => {}
                (Retry::Ambiguous, Some(other)) => verb = other,
                _ => return Err(error),
            }
            if !pauses.pause(&error).await {
                return Err(error);
            }
            again(verb);
        }
    }

    /// Sends rows once and waits for the server's word. Returns how many it took.
    ///
    /// # Errors
    /// When the server refuses, or its answer does not come. Never repeated here: that is safe
    /// only for whoever knows whether the ids can be there already.
    pub async fn send_rows(&self, verb: Verb, frames: &Frames) -> Result<u64> {
        let limit = self.request_timeout();
        let answer = tokio::time::timeout(limit, self.exchange(verb, frames))
            .await
            .map_err(|_| MilvusError::Deadline { rpc: verb.name(), after: limit })??;
        if let Some(error) = MilvusError::of_status(verb.name(), answer.status()) {
            return Err(error);
        }
        let taken = match verb {
            Verb::Insert => answer.insert_cnt,
            Verb::Upsert => answer.upsert_cnt,
        };
        let taken = u64::try_from(taken).unwrap_or(0);
        if taken != frames.rows() as u64 || !answer.err_index.is_empty() {
            return Err(MilvusError::Malformed {
                rpc: verb.name(),
                words: format!("{taken} rows taken of {} sent", frames.rows()),
            });
        }
        Ok(taken)
    }

    async fn exchange(&self, verb: Verb, frames: &Frames) -> Result<MutationResult> {
        let rpc = verb.name();
        let failed = |status: tonic::Status| MilvusError::of_grpc(rpc, self.endpoint(), &status);
        let request = self.http_request(verb, frames)?;
        let mut channel = self.channel();
        std::future::poll_fn(|cx| GrpcService::poll_ready(&mut channel, cx))
            .await
            .map_err(|error| failed(tonic::Status::from_error(Box::new(error))))?;
        let response = GrpcService::call(&mut channel, request)
            .await
            .map_err(|error| failed(tonic::Status::from_error(Box::new(error))))?;
        // A refusal without a message has its status in the headers.
        if let Some(status) = tonic::Status::from_header_map(response.headers())
            && status.code() != tonic::Code::Ok
        {
            return Err(failed(status));
        }
        let http_status = response.status();
        let decoder = ProstCodec::<(), MutationResult>::default().decoder();
        let mut answers = Streaming::new_response(
            decoder,
            response.into_body(),
            http_status,
            None,
            Some(connect::MAX_ANSWER),
        );
        let answer = answers.message().await.map_err(failed)?;
        // The status of the call comes after the message.
        answers.trailers().await.map_err(failed)?;
        answer.ok_or_else(|| MilvusError::Lost { rpc, words: "an empty answer".to_owned() })
    }

    fn http_request(&self, verb: Verb, frames: &Frames) -> Result<Request<tonic::body::Body>> {
        let malformed = |error: http::Error| MilvusError::Malformed {
            rpc: verb.name(),
            words: error.to_string(),
        };
        let mut parts = self.origin().into_parts();
        parts.path_and_query = path_of(verb.name()).parse().ok();
        let uri = Uri::from_parts(parts).map_err(|error| malformed(error.into()))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(uri)
            .body(tonic::body::Body::new(frames.body()))
            .map_err(malformed)?;
        *request.headers_mut() = self.metadata().clone().into_headers();
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let limit = format!("{}m", (self.request_timeout() + GRACE).as_millis());
        if let Ok(limit) = HeaderValue::from_str(&limit) {
            headers.insert("grpc-timeout", limit);
        }
        Ok(request)
    }
}
