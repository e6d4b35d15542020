//! Conditions on keys: comparisons with numbers and texts, lists, `and`, `or`, parentheses.

use std::iter::Peekable;
use std::vec::IntoIter;

/// A value that rows are told by.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Key {
    Number(i64),
    Text(String),
}

pub enum Condition {
    All,
    /// The field, the comparison, and what with.
    Compare(String, String, Key),
    In(String, Vec<Key>),
    And(Box<Condition>, Box<Condition>),
    Or(Box<Condition>, Box<Condition>),
}

#[derive(Debug, PartialEq)]
enum Token {
    Word(String),
    Sign(String),
    Value(Key),
}

type Tokens = Peekable<IntoIter<Token>>;

impl Condition {
    pub fn parse(text: &str) -> Result<Condition, String> {
        if text.trim().is_empty() {
            return Ok(Condition::All);
        }
        let mut tokens = tokens(text)?.into_iter().peekable();
        let condition = either(&mut tokens)?;
        match tokens.next() {
            None => Ok(condition),
            Some(token) => Err(format!("cannot parse expression: {text}, at {token:?}")),
        }
    }

    /// Whether it holds of a row, by what its fields are.
    pub fn holds(&self, field: &dyn Fn(&str) -> Option<Key>) -> bool {
        match self {
            Condition::All => true,
            Condition::And(a, b) => a.holds(field) && b.holds(field),
            Condition::Or(a, b) => a.holds(field) || b.holds(field),
            Condition::In(name, keys) => field(name).is_some_and(|key| keys.contains(&key)),
            Condition::Compare(name, sign, with) => field(name).is_some_and(|key| {
                let order = key.cmp(with);
                match sign.as_str() {
                    "<" => order.is_lt(),
                    "<=" => order.is_le(),
                    ">" => order.is_gt(),
                    ">=" => order.is_ge(),
                    _ => order.is_eq(),
                }
            }),
        }
    }
}

fn either(tokens: &mut Tokens) -> Result<Condition, String> {
    let mut left = both(tokens)?;
    while tokens.next_if(|t| *t == Token::Word("or".to_owned())).is_some() {
        left = Condition::Or(Box::new(left), Box::new(both(tokens)?));
    }
    Ok(left)
}

fn both(tokens: &mut Tokens) -> Result<Condition, String> {
    let mut left = one(tokens)?;
    while tokens.next_if(|t| *t == Token::Word("and".to_owned())).is_some() {
        left = Condition::And(Box::new(left), Box::new(one(tokens)?));
    }
    Ok(left)
}

fn one(tokens: &mut Tokens) -> Result<Condition, String> {
    let sign = |tokens: &mut Tokens, sign: &str| match tokens.next() {
        Some(Token::Sign(found)) if found == sign => Ok(()),
        other => Err(format!("cannot parse expression: {other:?} in place of {sign}")),
    };
    match tokens.next() {
        Some(Token::Sign(open)) if open == "(" => {
            let inner = either(tokens)?;
            sign(tokens, ")")?;
            Ok(inner)
        }
        Some(Token::Word(field)) => match (tokens.next(), tokens.peek()) {
            (Some(Token::Word(word)), _) if word == "in" => {
                sign(tokens, "[")?;
                let mut keys = Vec::new();
                while let Some(Token::Value(_)) = tokens.peek() {
                    let Some(Token::Value(key)) = tokens.next() else { break };
                    keys.push(key);
                    let _ = tokens.next_if(|token| *token == Token::Sign(",".to_owned()));
                }
                sign(tokens, "]")?;
                Ok(Condition::In(field, keys))
            }
            (Some(Token::Sign(comparison)), Some(Token::Value(_))) => match tokens.next() {
                Some(Token::Value(key)) => Ok(Condition::Compare(field, comparison, key)),
                _ => unreachable!(),
            },
            (other, _) => Err(format!("cannot parse expression: {field} {other:?}")),
        },
        other => Err(format!("cannot parse expression: {other:?}")),
    }
}

fn tokens(text: &str) -> Result<Vec<Token>, String> {
    let mut all = Vec::new();
    let mut rest = text.chars().peekable();
    while let Some(c) = rest.next() {
        let mut longer = |first: char, goes_on: fn(char) -> bool| {
            let mut word = first.to_string();
            while let Some(c) = rest.next_if(|c| goes_on(*c)) {
                word.push(c);
            }
            word
        };
        all.push(match c {
            ' ' => continue,
            '<' | '>' | '=' => Token::Sign(longer(c, |c| c == '=')),
            '(' | ')' | '[' | ']' | ',' => Token::Sign(c.to_string()),
            '-' | '0'..='9' => {
                let number = longer(c, |c| c.is_ascii_digit());
                // As on a real one, the smallest number is out of range.
                let in_range = number.trim_start_matches('-').parse::<i64>().is_ok();
                let number = number.parse().ok().filter(|_| in_range);
                Token::Value(Key::Number(number.ok_or("a number out of range")?))
            }
            '"' => {
                let mut out = String::new();
                loop {
                    match rest.next() {
                        None | Some('\n' | '\r') => return Err("a text that does not end".into()),
                        Some('"') => break,
                        Some('\\') => out.push(match rest.next() {
                            Some('n') => '\n',
                            Some('r') => '\r',
                            Some('t') => '\t',
                            Some(c @ ('"' | '\\' | '\'')) => c,
                            other => return Err(format!("an unknown escape {other:?}")),
                        }),
                        Some(c) => out.push(c),
                    }
                }
                Token::Value(Key::Text(out))
            }
            c => Token::Word(longer(c, |c| c.is_alphanumeric() || c == '_')),
        });
    }
    Ok(all)
}
