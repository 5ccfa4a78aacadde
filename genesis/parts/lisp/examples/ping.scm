; Asks the contact `pong` ten times and emits what came of it: pong.scm is the other side.
; It needs `send` and `emit`, and a contact named `pong`.

(define (play round)
  (if (> round 10)
      (emit "played ten rounds")
      (ask 'pong (list 'ping round) 1000
        (lambda (answer)
          (if (error-object? answer)
              (emit (string-append "round " (->string round) ": " (error-object-message answer)))
              (play (+ round 1)))))))

(on 'start (lambda (msg from) (play 1)))
