; Answers `(ping n)` with `(pong n)`: the other side of ping.scm. It needs no power.

(on 'main
  (lambda (msg from)
    (let ((datum (read msg)))
      (if (and (pair? datum) (eq? (car datum) 'ping))
          (cons 'pong (cdr datum))
          'what?))))
