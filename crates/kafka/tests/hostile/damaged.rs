//! Every frame of the codec's corpus, cut, and with forged lengths and counts at every few bytes.

use std::path::Path;
use std::time::Duration;

use floe_kafka::GatewayLimits;
use floe_kafka_codec::{RequestHeader, ResponseHeader};

use crate::bystander::Bystander;
use crate::server::Server;

/// What stands where a length, a count or an offset is expected.
const FORGED: [&[u8]; 5] = [
    b"\x7f\xff\xff\xff",
    b"\x80\x00\x00\x00",
    b"\xff\xff\xff\xfe",
    b"\xff\xff\xff\xff\x0f",
    b"\x00\x01\x00\x00",
];
/// Behind key, version and correlation id, which bring the frame to its decoder.
const HEAD_BYTES: usize = 8;
/// Hostile requests between two looks at the bystander.
const BETWEEN_LOOKS: usize = 100;

fn corpus() -> Vec<Vec<u8>> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../kafka-codec/corpus");
    let files = std::fs::read_dir(folder).unwrap();
    let mut paths: Vec<_> = files.map(|file| file.unwrap().path()).collect();
    paths.retain(|path| path.extension().is_none());
    paths.sort();
    paths
        .iter()
        .map(|path| std::fs::read(path).unwrap())
        .collect()
}

/// The frames that are made of one.
fn damaged(frame: &[u8], place: usize) -> Vec<Vec<u8>> {
    let mut all = vec![frame.to_vec()];
    for cut in [HEAD_BYTES, frame.len() / 2, frame.len().saturating_sub(1)] {
        all.push(frame[..cut.min(frame.len())].to_vec());
    }
    // Other places in each frame, so that together they are all there.
    for at in (HEAD_BYTES + place % 7..frame.len()).step_by(7).take(40) {
        let forged = FORGED[(at + place) % FORGED.len()];
        let mut one = frame.to_vec();
        let end = one.len().min(at + forged.len());
        one[at..end].copy_from_slice(&forged[..end - at]);
        all.push(one);
    }
    all.retain(|one| !one.is_empty());
    all
}

/// Each ends nothing but its own connection.
pub(crate) async fn cut_and_forged_requests_of_every_version() {
    let limits = GatewayLimits {
        // Requests that wait, of members and for records, are left behind when their peer goes.
        drain_limit: Duration::from_millis(20),
        ..GatewayLimits::default()
    };
    let server = Server::with(limits).await;
    let mut bystander = Bystander::new(&server).await;
    let (mut sent, mut answered) = (0, 0);
    for (place, frame) in corpus().iter().enumerate() {
        for hostile in damaged(frame, place) {
            let mut client = server.connect().await;
            client.send_frame_and_shut(&hostile).await;
            if let Some(answer) = client.frame().await {
                answered += 1;
                is_answer_to(&hostile, &answer);
                assert!(client.is_closed().await);
            }
            sent += 1;
            if sent % BETWEEN_LOOKS == 0 {
                bystander.works().await;
            }
        }
    }
    assert!(sent > 2_000, "{sent}");
    assert!(answered > sent / 10, "{answered} of {sent}");
    let refused = "floe_kafka_refused_requests_total ";
    let metrics = server.broker().metrics_text();
    let counted = metrics
        .lines()
        .find_map(|line| line.strip_prefix(refused)?.parse().ok());
    assert!(
        counted.is_some_and(|refused: u64| refused > sent as u64 / 10),
        "{counted:?} of {sent}"
    );
    bystander.ends_well().await;
    server.stop().await;
}

/// The correlation id is that of the request.
fn is_answer_to(request: &[u8], answer: &bytes::Bytes) {
    let (header, _) = RequestHeader::decode(&request.to_vec().into()).unwrap();
    let api = header.api().unwrap();
    let (found, _) = ResponseHeader::decode(answer, api, header.api_version).unwrap();
    assert_eq!(found.correlation_id, header.correlation_id);
}
