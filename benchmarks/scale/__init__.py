"""What happens as files, runs, jobs, processes and classes become many."""
