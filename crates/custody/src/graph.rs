//! Strongly connected components, in the order in which they can be computed.

/// The components of a graph on `0..edges.len()`, each before those that point at it (Tarjan 1972).
/// `edges[v]` are the vertices that `v` depends on; members are in ascending order.
pub(crate) fn components(edges: &[Vec<usize>]) -> Vec<Vec<usize>> {
    let mut search = Search {
        edges,
        marks: vec![Mark::default(); edges.len()],
        stack: Vec::new(),
        visited: 0,
        components: Vec::new(),
    };
    for vertex in 0..edges.len() {
        if search.mark(vertex).number == 0 {
            search.visit(vertex);
        }
    }
    search.components
}

/// Numbers count from 1; 0 is not yet visited.
#[derive(Clone, Copy, Default)]
struct Mark {
    number: usize,
    low: usize,
    on_stack: bool,
}

struct Search<'a> {
    edges: &'a [Vec<usize>],
    marks: Vec<Mark>,
    stack: Vec<usize>,
    visited: usize,
    components: Vec<Vec<usize>>,
}

impl Search<'_> {
    fn mark(&self, vertex: usize) -> Mark {
        self.marks.get(vertex).copied().unwrap_or_default()
    }

    fn mark_set(&mut self, vertex: usize, mark: Mark) {
        if let Some(place) = self.marks.get_mut(vertex) {
            *place = mark;
        }
    }

    /// Recursion is bounded by the number of powers.
    fn visit(&mut self, vertex: usize) {
        self.visited += 1;
        let number = self.visited;
        self.mark_set(vertex, Mark { number, low: number, on_stack: true });
        self.stack.push(vertex);

        let edges = self.edges;
        let mut low = number;
        for &next in edges.get(vertex).into_iter().flatten() {
            if self.mark(next).number == 0 {
                self.visit(next);
                low = low.min(self.mark(next).low);
            } else if self.mark(next).on_stack {
                low = low.min(self.mark(next).number);
            }
        }
        self.mark_set(vertex, Mark { number, low, on_stack: true });

        if low == number {
            self.component_close(vertex);
        }
    }

    fn component_close(&mut self, root: usize) {
        let mut members = Vec::new();
        while let Some(member) = self.stack.pop() {
            self.mark_set(member, Mark { on_stack: false, ..self.mark(member) });
            members.push(member);
            if member == root {
                break;
            }
        }
        members.sort_unstable();
        self.components.push(members);
    }
}

#[cfg(test)]
mod tests {
    use super::components;

    #[test]
    fn dependencies_come_first_and_cycles_stay_together() {
        let edges = [vec![1], vec![2, 3], vec![1], vec![], vec![4, 0]];
        assert_eq!(components(&edges), [vec![3], vec![1, 2], vec![0], vec![4]]);
    }
}
