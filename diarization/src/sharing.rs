//! Sharing: workers side by side take tasks off one list until none is left.

use std::panic::resume_unwind;
use std::sync::Mutex;
use std::thread;

/// Results of `work` for each of `tasks`, in their order, whichever worker did them. A worker that is done takes the next task. The first
/// worker is the calling thread; each other worker has a thread of its own. Of failures the earliest task's is returned. Tasks that nobody
/// has begun by then are left. There must be a worker.
pub fn share<W: Send, T: Send, R: Send, E: Send>(
    workers: &mut [W],
    tasks: Vec<T>,
    work: impl Fn(&mut W, T) -> Result<R, E> + Sync,
) -> Result<Vec<R>, E> {
    let left = Mutex::new(tasks.into_iter().enumerate());
    let next = || left.lock().map_or(None, |mut left| left.next());
    let take = |worker: &mut W| {
        let mut done = Vec::new();
        while let Some((index, task)) = next() {
            let result = work(worker, task);
            if result.is_err() {
                while next().is_some() {}
            }
            done.push((index, result));
        }
        done
    };
    let (first, others) = workers.split_first_mut().expect("tasks are shared among one worker or more");
    let mut done = thread::scope(|scope| {
        let threads: Vec<_> = others.iter_mut().map(|worker| scope.spawn(|| take(worker))).collect();
        let mut done = take(first);
        for thread in threads {
            done.extend(thread.join().unwrap_or_else(|panic| resume_unwind(panic)));
        }
        done
    });
    done.sort_by_key(|(index, _)| *index);
    done.into_iter().map(|(_, result)| result).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Barrier;

    #[test]
    fn results_come_in_the_order_of_the_tasks_however_many_workers_there_are() {
        for workers in 1..4 {
            let mut worked = vec![0; workers];
            let squares = share(&mut worked, (0..50).collect(), |worked, task: u64| {
                *worked += 1;
                Ok::<_, ()>(task * task)
            });
            assert_eq!(squares, Ok((0..50).map(|task| task * task).collect()));
            assert_eq!(worked.iter().sum::<usize>(), 50, "each task is done once");
        }
    }

    #[test]
    fn workers_work_at_the_same_time() {
        let all = Barrier::new(3);
        let waited = share(&mut [(); 3], vec![(); 3], |(), ()| Ok::<_, ()>(all.wait()));
        assert_eq!(waited.map(|waited| waited.len()), Ok(3));
    }

    #[test]
    fn a_failure_is_told_and_what_is_not_begun_is_left() {
        let mut worked = [0];
        let found = share(&mut worked, (0..50).collect(), |worked, task: usize| {
            *worked += 1;
            if task < 7 { Ok(()) } else { Err(task) }
        });
        assert_eq!((found, worked), (Err(7), [8]));
        let found = share(&mut [(); 3], (0..50).collect(), |(), task: usize| Err::<(), _>(task));
        assert_eq!(found, Err(0));
    }

    #[test]
    fn no_tasks_are_done_at_once() {
        assert_eq!(share(&mut [(); 2], Vec::<u8>::new(), |(), task| Ok::<_, ()>(task)), Ok(vec![]));
    }
}
