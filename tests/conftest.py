"""What all tests start from."""

import signal

# A shell starts what it puts into the background with one of these ignored, `nohup` does so with the other, and what
# tests start inherits that: then none could be interrupted.
for _number, _usual in ((signal.SIGINT, signal.default_int_handler), (signal.SIGHUP, signal.SIG_DFL)):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(_number, _usual)
