//! Where the rows of a cohort are: columns, or each on its own. What happens to them does not depend on it.

use crate::agent::{Agent, Columns, Window};

/// How the rows of a world are kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Hosting {
    /// As columns, with mail packed by the receiver.
    #[default]
    Cohorts,
    /// Each row in memory of its own with a mailbox of its own: what cohorts are compared with.
    Alone,
}

#[derive(Debug)]
pub(crate) enum Store<A: Agent> {
    Columns(A::Columns),
    Alone(Vec<Box<A>>),
}

impl<A: Agent> Default for Store<A> {
    fn default() -> Self {
        Self::Columns(A::Columns::default())
    }
}

impl<A: Agent> Window<A> for &mut [Box<A>] {
    #[inline]
    fn get(&self, at: usize) -> A {
        *self[at]
    }

    #[inline]
    fn set(&mut self, at: usize, row: A) {
        *self[at] = row;
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        self.split_at_mut(at)
    }
}

/// Rows to write, however they are kept: for phases in which the way is decided row by row.
#[derive(Debug)]
pub(crate) enum Rows<'a, A: Agent> {
    Columns(<A::Columns as Columns<A>>::Window<'a>),
    Alone(&'a mut [Box<A>]),
}

impl<A: Agent> Window<A> for Rows<'_, A> {
    #[inline(always)]
    fn get(&self, at: usize) -> A {
        match self {
            Self::Columns(rows) => rows.get(at),
            Self::Alone(rows) => *rows[at],
        }
    }

    #[inline(always)]
    fn set(&mut self, at: usize, row: A) {
        match self {
            Self::Columns(rows) => rows.set(at, row),
            Self::Alone(rows) => *rows[at] = row,
        }
    }

    fn split_at(self, at: usize) -> (Self, Self) {
        match self {
            Self::Columns(rows) => {
                let (first, rest) = rows.split_at(at);
                (Self::Columns(first), Self::Columns(rest))
            }
            Self::Alone(rows) => {
                let (first, rest) = rows.split_at_mut(at);
                (Self::Alone(first), Self::Alone(rest))
            }
        }
    }
}

impl<A: Agent> Store<A> {
    pub(crate) fn new(hosting: Hosting) -> Self {
        match hosting {
            Hosting::Cohorts => Self::default(),
            Hosting::Alone => Self::Alone(Vec::new()),
        }
    }

    #[inline]
    pub(crate) fn get(&self, at: usize) -> A {
        match self {
            Self::Columns(rows) => rows.get(at),
            Self::Alone(rows) => *rows[at],
        }
    }

    #[inline]
    pub(crate) fn set(&mut self, at: usize, row: A) {
        match self {
            Self::Columns(rows) => rows.window().set(at, row),
            Self::Alone(rows) => *rows[at] = row,
        }
    }

    #[inline]
    pub(crate) fn push(&mut self, row: A) {
        match self {
            Self::Columns(rows) => rows.push(row),
            Self::Alone(rows) => rows.push(Box::new(row)),
        }
    }

    pub(crate) fn rows(&mut self) -> Rows<'_, A> {
        match self {
            Self::Columns(rows) => Rows::Columns(rows.window()),
            Self::Alone(rows) => Rows::Alone(rows),
        }
    }

    /// Each row `i` goes to place `to[i]`, or away if that is `u32::MAX`; `len` stay. `spare` is room for columns.
    pub(crate) fn order(&mut self, to: &[u32], len: usize, spare: &mut A::Columns) {
        match self {
            Self::Columns(rows) => {
                rows.scatter(to, len, spare);
                std::mem::swap(rows, spare);
            }
            Self::Alone(rows) => {
                let kept = to.iter().zip(std::mem::take(rows));
                let mut placed: Vec<_> = kept.filter(|(to, _)| **to != u32::MAX).collect();
                placed.sort_unstable_by_key(|(to, _)| **to);
                *rows = placed.into_iter().map(|(_, row)| row).collect();
            }
        }
    }

    /// A copy of all rows as columns.
    pub(crate) fn copy_to(&self, columns: &mut A::Columns) {
        match self {
            Self::Columns(rows) => columns.copy(rows),
            Self::Alone(rows) => {
                columns.clear();
                for row in rows {
                    columns.push(**row);
                }
            }
        }
    }
}
