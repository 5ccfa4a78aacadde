; Counts the messages it gets. Reports the count to the contact `boss` at every tenth message, and
; every minute if it has changed since. Answers each message with the count.
;
;   medium spawn genesis/parts/lisp/examples/count-and-report.scm --name counter
; It needs `send` and `after`, and a contact named `boss`.

(define every 10)
(define period 60000)
(define count 0)
(define told 0)

(define (report)
  (if (named 'boss)
      (begin (send-to-channel 'boss 'report (list 'count count))
             (set! told count))))

(define (tick)
  (if (not (= count told)) (report))
  (after period tick))

(on 'start (lambda (msg from) (tick)))

(on 'main
  (lambda (msg from)
    (set! count (+ count 1))
    (if (zero? (modulo count every)) (report))
    count))
