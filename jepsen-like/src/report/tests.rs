//! The structure of a page, and that nothing of a history becomes markup.
#![allow(clippy::unwrap_used)]

use super::*;
use crate::story::*;
use crate::{Action, Stage, check};

/// A page of a history, with one trouble and one fault not done.
fn page(history: &History, shown: impl FnOnce(&Page<'_>)) {
    let report = check(history);
    let remarks = ["node 2 ended by itself".to_owned()];
    let skipped = [Skipped {
        fault: "clock".to_owned(),
        reason: "not permitted".to_owned(),
    }];
    shown(&Page {
        title: "Three nodes",
        history,
        report: &report,
        remarks: &remarks,
        skipped: &skipped,
    });
}

/// Everything a page shows: faults, an outage, and several anomalies.
fn broken() -> History {
    let story = sound().fault(Stage::Ok).until(600).fault(Stage::Fail);
    let story = story.send_as(4, Stage::Info, &[(20, None)]).wait(500);
    let story = story.send_as(4, Stage::Ok, &[(21, Some(4))]);
    let story = story
        .poll(&[(4, 21), (5, 99)])
        .poll_as(6, Stage::Ok, &[(0, 10), (2, 12)]);
    story.history()
}

/// The tags of a page in order, without their contents: `section.card#lost-write`.
fn outline(html: &str) -> Vec<String> {
    let body = html.split_once("<body>").unwrap().1;
    let mut outline = Vec::new();
    for tag in body.split('<').skip(1) {
        let tag = tag.split('>').next().unwrap();
        let name = tag.split_whitespace().next().unwrap_or_default();
        let attribute = |name: &str| {
            let value = tag.split_once(&format!(" {name}=\""))?.1;
            Some(value.split('"').next().unwrap().to_owned())
        };
        let kept = [
            "header", "h1", "h2", "h3", "section", "figure", "svg", "table", "footer",
        ];
        if kept.contains(&name) {
            let mut line = name.to_owned();
            line.extend(attribute("class").map(|class| format!(".{class}")));
            line.extend(attribute("id").map(|id| format!("#{id}")));
            line.extend(attribute("aria-label").map(|label| format!(" {label}")));
            outline.push(line);
        }
    }
    outline
}

#[test]
fn a_page_has_its_parts_in_order() {
    page(&broken(), |page| {
        let expected = "header, h1, section.facts, figure, svg Faults, figure, \
            svg Operations per second, figure, svg Latency of writes, figure, svg Availability, \
            h2, section.card, section.card.doubtful, h2, \
            section.card#phantom, h3, table, section.card#internal-poll-skip, h3, table, \
            section.card#offset-gap, h3, table, \
            h2, table, h2, table, h2, table, footer";
        let outline = outline(&page.html())
            .join(", ")
            .replace("card doubtful", "card.doubtful");
        assert_eq!(outline, expected);
    });
    page(&sound().history(), |page| {
        let html = page.html();
        assert!(html.contains("<span class=\"verdict valid\">valid</span>"));
        assert!(
            !html.contains("aria-label=\"Faults\""),
            "no fault, no plot of faults"
        );
        assert!(html.contains("<p class=\"soft\">None.</p>"));
    });
}

#[test]
fn faults_are_bands_in_every_plot() {
    page(&broken(), |page| {
        let html = page.html();
        let count = |what: &str| html.matches(what).count();
        // One landed fault in three plots; one lane with both.
        assert_eq!(count("class=\"band\" x="), 3);
        assert_eq!(count("class=\"fault\" x="), 1);
        assert_eq!(count("class=\"missed\" x="), 1);
        assert_eq!(count("class=\"down\" x="), 1);
    });
}

#[test]
fn a_finding_is_shown_with_the_smallest_slice_of_history() {
    page(&broken(), |page| {
        let html = page.html();
        let card = html.split("id=\"internal-poll-skip\"").nth(1).unwrap();
        let card = card.split("</section>").next().unwrap();
        let rows: Vec<&str> = card.split("<tr>").skip(2).collect();
        let shows = |place: usize, what: &str| assert!(rows[place].contains(what), "{card}");
        assert_eq!(rows.len(), 5, "{card}");
        // Who wrote 10, 11 and 12, who read them, and the poll that left 11 out.
        shows(0, "send t/0 <mark>0:10</mark>");
        shows(1, "send t/0 <mark>1:11</mark>");
        shows(2, "send t/0 <mark>2:12</mark>");
        shows(
            3,
            "poll t/0 <mark>0:10</mark> <mark>1:11</mark> <mark>2:12</mark>",
        );
        shows(4, "poll t/0 <mark>0:10</mark> <mark>2:12</mark>");
        assert!(!card.contains("drain"), "{card}");
    });
}

#[test]
fn long_polls_are_reduced_to_what_matters() {
    let many: Vec<(i64, u64)> = (0..1000).zip(5000..).collect();
    let mut story = Story::new();
    for (offset, value) in &many {
        story = story.send(*value, *offset);
    }
    let mut holed = many.clone();
    holed.remove(500);
    let story = story.poll(&many).drain(1000).poll_as(6, Stage::Ok, &holed);
    page(&story.history(), |page| {
        let html = page.html();
        let card = html.split("id=\"internal-poll-skip\"").nth(1).unwrap();
        let card = card.split("</section>").next().unwrap();
        assert!(card.contains("<mark>501:5501</mark>"), "{card}");
        assert!(card.contains("…"), "{card}");
        assert!(!card.contains("5003"), "{card}");
        assert!(html.len() < 300_000, "{}", html.len());
    });
}

#[test]
fn no_text_of_a_history_becomes_markup() {
    let evil = "\"><script>alert(1)</script><svg onload='x'>";
    let topic = named(&format!("{evil}/0"));
    let kind = evil.to_owned();
    let fault = Action::Fault {
        kind,
        target: evil.to_owned(),
    };
    let send = Action::Send(vec![sent(&topic, 1, Some(0))]);
    let story = Story::new()
        .act(0, Stage::Ok, fault)
        .act(1, Stage::Ok, send);
    let mut story = story.act(
        2,
        Stage::Ok,
        Action::Poll(polled(&topic, &[(0, 1), (1, 9)])),
    );
    story.operations[1].error = Some(evil.to_owned());
    story.plan.workload = evil.to_owned();
    let (group, generation) = (evil.to_owned(), 1);
    let offsets = [(topic, floe_model::Offset(1))].into();
    let commit = Action::Commit {
        group,
        generation,
        offsets,
    };
    let group = evil.to_owned();
    let offsets = [].into();
    let story = story.act(3, Stage::Ok, commit);
    let story = story.act(4, Stage::Ok, Action::Committed { group, offsets });
    let name = evil.to_owned();
    let access = crate::Access::Read { value: Some(3) };
    let story = story.act(5, Stage::Ok, Action::Register { name, access });
    let mut history = story.history();
    history.header.version = evil.to_owned();
    let report = check(&history);
    let remarks = [evil.to_owned()];
    let skipped = [Skipped {
        fault: evil.to_owned(),
        reason: evil.to_owned(),
    }];
    let page = Page {
        title: evil,
        history: &history,
        report: &report,
        remarks: &remarks,
        skipped: &skipped,
    };
    let html = page.html();
    for mark in ["<script", "<svg onload", "='x'"] {
        assert!(!html.contains(mark), "{mark}");
    }
    assert!(html.contains("&lt;script&gt;"));
}

#[test]
fn a_page_loads_nothing() {
    page(&broken(), |page| {
        let html = page.html();
        for mark in [
            "http:", "https:", "url(", "@import", "<link", "src=\"", "<script",
        ] {
            let found = html
                .find(mark)
                .map(|at| &html[at..(at + 60).min(html.len())]);
            assert_eq!(found, None);
        }
        assert!(html.contains("default-src 'none'"));
    });
}

#[test]
fn every_tag_is_closed() {
    page(&broken(), |page| {
        let html = page.html();
        for name in [
            "main",
            "section",
            "figure",
            "figcaption",
            "svg",
            "table",
            "tr",
            "td",
            "th",
            "p",
            "code",
            "span",
            "div",
            "text",
            "rect",
            "title",
            "g",
            "mark",
            "details",
            "summary",
            "b",
            "i",
        ] {
            let open = html.matches(&format!("<{name}>")).count()
                + html.matches(&format!("<{name} ")).count();
            let closed = html.matches(&format!("</{name}>")).count();
            assert_eq!(open, closed, "{name}");
        }
    });
}

#[test]
fn results_are_the_page_as_data() {
    page(&broken(), |page| {
        let json = serde_json::to_value(page.results()).unwrap();
        assert_eq!(json["verdict"], "invalid");
        assert_eq!(json["title"], "Three nodes");
        assert_eq!(json["anomalies"]["phantom"]["count"], 1);
        assert_eq!(json["faults"]["kill"], 1);
        assert_eq!(json["fault_intervals"][0]["until_ns"], 600 * STEP_NS);
        assert_eq!(json["fault_intervals"][1]["landed"], false);
        assert_eq!(json["kinds"]["send"]["ok"], 4);
        assert_eq!(json["kinds"]["send"]["info"], 1);
        assert_eq!(json["downtime"]["t/0"]["windows"], 1);
        assert_eq!(json["skipped"][0]["fault"], "clock");
        assert_eq!(json["doubts"][0]["doubt"], "not-drained");
    });
}

#[test]
fn an_empty_history_has_a_page_too() {
    page(&Story::new().history(), |page| {
        assert!(page.html().contains("verdict unknown"));
    });
}
