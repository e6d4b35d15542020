//! One call: deadline, metadata, what went wrong.

use std::time::Duration;

use http::header::{CONTENT_TYPE, TE};
use http::uri::PathAndQuery;
use http::{HeaderValue, Method, Request, Response, Uri, Version};
use prost::Message;
use tonic::body::Body;
use tonic::client::{Grpc, GrpcService};
use tonic::codec::{Codec, Streaming};
use tonic_prost::ProstCodec;

use super::frames::Frames;
use super::{Connection, MAX_ANSWER};
use crate::milvus::error::Strain;
use crate::milvus::late::GRACE;
use crate::milvus::{MilvusError, Result};

/// A procedure of a service.
#[derive(Debug, Clone, Copy)]
pub struct Procedure {
    /// The service, with its package.
    pub service: &'static str,
    /// The procedure's name.
    pub name: &'static str,
}

impl Procedure {
    fn path(self) -> Result<PathAndQuery> {
        PathAndQuery::try_from(format!("/{}/{}", self.service, self.name))
            .map_err(|error| self.malformed(error.to_string()))
    }

    fn malformed(self, words: String) -> MilvusError {
        MilvusError::Malformed { rpc: self.name, words }
    }
}

impl Connection {
    /// Makes a call once, within `limit`.
    ///
    /// # Errors
    /// What gRPC or the network say; a status within the answer is the caller's to check.
    pub async fn call<C, A>(&self, procedure: Procedure, request: C, limit: Duration) -> Result<A>
    where
        C: Message + 'static,
        A: Message + Default + 'static,
    {
        within(procedure, limit, async {
            let failed = |status| self.failed(procedure, &status);
            let mut request = tonic::Request::new(request);
            *request.metadata_mut() = self.metadata.clone();
            request.set_timeout(limit + GRACE);
            let mut grpc = Grpc::with_origin(self.channel.clone(), self.origin.clone())
                .max_decoding_message_size(MAX_ANSWER);
            grpc.ready().await.map_err(|error| failed(status_of(error)))?;
            let codec = ProstCodec::<C, A>::default();
            let answer = grpc.unary(request, procedure.path()?, codec).await;
            answer.map(tonic::Response::into_inner).map_err(failed)
        })
        .await
    }

    /// Makes a call whose request lies in parts once, within `limit`.
    ///
    /// # Errors
    /// As [`call`](Self::call).
    pub async fn send<A>(&self, procedure: Procedure, frames: &Frames, limit: Duration) -> Result<A>
    where
        A: Message + Default + 'static,
    {
        within(procedure, limit, async {
            let request = self.http_request(procedure, frames, limit)?;
            let mut channel = self.channel.clone();
            std::future::poll_fn(|cx| GrpcService::poll_ready(&mut channel, cx))
                .await
                .map_err(|error| self.failed(procedure, &status_of(error)))?;
            let response = GrpcService::call(&mut channel, request)
                .await
                .map_err(|error| self.failed(procedure, &status_of(error)))?;
            self.answer(procedure, response).await
        })
        .await
    }

    async fn answer<A>(&self, procedure: Procedure, response: Response<Body>) -> Result<A>
    where
        A: Message + Default + 'static,
    {
        let failed = |status| self.failed(procedure, &status);
        // A refusal without a message has its status in the headers.
        if let Some(status) = tonic::Status::from_header_map(response.headers())
            && status.code() != tonic::Code::Ok
        {
            return Err(failed(status));
        }
        let http_status = response.status();
        let decoder = ProstCodec::<(), A>::default().decoder();
        let mut answers = Streaming::new_response(
            decoder,
            response.into_body(),
            http_status,
            None,
            Some(MAX_ANSWER),
        );
        let answer = answers.message().await.map_err(failed)?;
        // The status of the call comes after the message.
        answers.trailers().await.map_err(failed)?;
        let (rpc, strain) = (procedure.name, Strain::None);
        let empty = || MilvusError::Lost { rpc, words: "an empty answer".into(), strain };
        answer.ok_or_else(empty)
    }

    fn http_request(
        &self,
        procedure: Procedure,
        frames: &Frames,
        limit: Duration,
    ) -> Result<Request<Body>> {
        let malformed = |error: http::Error| procedure.malformed(error.to_string());
        let mut parts = self.origin.clone().into_parts();
        parts.path_and_query = Some(procedure.path()?);
        let uri = Uri::from_parts(parts).map_err(|error| malformed(error.into()))?;
        let mut request = Request::builder()
            .method(Method::POST)
            .version(Version::HTTP_2)
            .uri(uri)
            .body(Body::new(frames.body()))
            .map_err(malformed)?;
        *request.headers_mut() = self.metadata.clone().into_headers();
        let headers = request.headers_mut();
        headers.insert(TE, HeaderValue::from_static("trailers"));
        headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
        let limit = format!("{}m", (limit + GRACE).as_millis());
        if let Ok(limit) = HeaderValue::from_str(&limit) {
            headers.insert("grpc-timeout", limit);
        }
        Ok(request)
    }

    fn failed(&self, procedure: Procedure, status: &tonic::Status) -> MilvusError {
        MilvusError::of_grpc(procedure.name, self.endpoint(), status)
    }
}

async fn within<A>(
    procedure: Procedure,
    limit: Duration,
    call: impl Future<Output = Result<A>>,
) -> Result<A> {
    tokio::time::timeout(limit, call)
        .await
        .map_err(|_| MilvusError::Deadline { rpc: procedure.name, after: limit })?
}

fn status_of(error: tonic::transport::Error) -> tonic::Status {
    tonic::Status::from_error(Box::new(error))
}
