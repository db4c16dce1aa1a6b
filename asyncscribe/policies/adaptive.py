from __future__ import annotations
from asyncscribe.policies.limits import Look

class AdaptiveLimit:
    G = 0.05
    BETA = 0.9
    CUTEVERY = 0.25
    INIT = 5
    OWN_BETA = 0.93
    MODE = "cubic"

    def __init__(self, **kw):
        self.__dict__.update(kw)
        self.L = float(self.INIT)
        self.E = None
        self.W = None
        self.t = 0.0
        self.K = 0.0
        self.last = None
        self.cut_at = -1e9
        self.slow = True
        self.flood = 0.0

    @property
    def initial(self):
        return self.INIT

    def update(self, look):
        dt = 0.0 if self.last is None else max(0.0, look.now - self.last)
        self.last = look.now if self.last is None else max(self.last, look.now)
        D = look.duration or 25.0
        o = look.others
        P = look.processing + (o.processing if o else 0)
        Q = look.queued + (o.queued if o else 0)
        alone = o is not None and o.processing + o.queued == 0
        if Q and (o is None or alone or look.queued or o.queued):
            if o is not None or True:
                self.E = max(1, P)
        elif self.E is not None and P > self.E:
            self.E = P
        if o is not None and self.E and o.queued > self.E:
            self.flood += dt
        else:
            self.flood = 0.0
        if look.queued:
            if alone:
                self.L = P + max(1, 0.01 * P)
                self.rest(0.0, D)
                return int(self.L)
            if self.last - self.cut_at >= self.CUTEVERY * D or self.slow:
                self.cut_at = self.last
                beta = self.BETA if o is not None else self.OWN_BETA
                if self.slow:
                    # what runs is the share
                    self.L = max(1.0, look.processing)
                    self.rest(0., D)
                else:
                    W = min(self.L, look.processing + look.queued) if False else self.L
                    self.L = max(1.0, self.L * beta)
                    self.W = W
                    self.t = 0.0
                    E = self.E if o is not None else W
                    self.K = D / 2 * ((W - self.L) / (self.G * E)) ** (1 / 3)
                self.slow = False
        elif self.slow and o is not None and o.queued:
            self.slow = False
            self.rest(0.0, D)
        elif look.wanted:
            if self.slow:
                self.L *= min(1.25, 2 ** (dt / 1.5))
            else:
                self.t += dt
                E = self.E if o is not None else self.W
                goal = self.W + self.G * E * ((self.t - self.K) / (D / 2)) ** 3
                self.L = max(self.L, min(goal, self.L * 1.25))
        if self.flood > D:
            self.L = max(self.L, self.E / 4)
        return max(1, int(self.L))

    def rest(self, K, D):
        self.slow = False
        self.W = self.L
        self.t = 0.0
        self.K = K
