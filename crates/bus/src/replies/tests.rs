//! Answers find who waits, and nobody is waited for in vain.

use super::*;

fn answer(expected: &Expected) -> Message {
    Message::new(expected.subject.clone(), "x".into())
}

#[test]
fn an_answer_finds_who_asked_and_a_second_one_nobody() {
    let replies = Replies::new();
    let (first, mut of_first) = replies.expect_one();
    let (second, mut of_second) = replies.expect_one();
    assert!(replies.interest().pattern.matches(&first.subject) && first.subject != second.subject);
    assert!(replies.accept(answer(&second)).is_ok());
    assert!(of_first.try_recv().is_err());
    assert_eq!(of_second.try_recv().expect("an answer").subject, second.subject);
    assert!(replies.accept(answer(&second)).is_err_and(|refused| refused.reason == Reason::Ended));
    let (many, _of_many) = replies.expect_many(&Limits { queued_messages_max: 2, ..Limits::default() });
    let taken = [(); 3].map(|()| replies.accept(answer(&many)).err().map(|refused| refused.reason));
    assert_eq!(taken, [None, None, Some(Reason::Full)]);
}

#[test]
fn who_waits_no_longer_is_forgotten() {
    let replies = Replies::new();
    let (first, of_first) = replies.expect_one();
    drop(of_first);
    assert!(replies.accept(answer(&first)).is_err());
    let all: Vec<_> = (0..100).map(|_| replies.expect_one()).collect();
    assert_eq!(replies.count(), 100);
    drop((first, all));
    assert_eq!(replies.count(), 0);
}

#[test]
fn strange_answers_find_nobody() {
    let replies = Replies::new();
    let inbox = replies.interest().pattern.as_str().trim_end_matches('*').to_owned();
    for word in ["0", "x", "-1", "18446744073709551616", "00"] {
        let message = Message::new(format!("{inbox}{word}").parse().expect("a subject"), "x".into());
        assert!(replies.accept(message).is_err(), "{word}");
    }
}
