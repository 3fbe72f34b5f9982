/// A file with every key there is, each on a line of its own.
let fullFile = """
  name: shop
  apps:
    web:
      command: [./server, $PORT]
      directory: .
      env:
        LOG_LEVEL: info
      envFiles:
        - path: ./none.env
          optional: true
          secret: true
      secrets: [LOG_LEVEL]
      replicas: 3
      kind: service
      after: [migrate]
      listen:
        host: 127.0.0.1
        port: 8080
        via: proxy
      ready:
        http:
          path: /readyz
          port: 9000
        every: 200ms
        timeout: 1s
      live:
        http:
          path: /healthz
          port: 9000
        every: 5s
        timeout: 1s
        failures: 3
        after: 10s
      stop:
        plan: TERM/25/KILL
        grace: 30s
        preStop:
          http:
            path: /drain
            method: POST
            port: 9000
        like: kubernetes
      sidecars:
        - name: mesh
          command: [./mesh]
          directory: .
          env:
            COLOR: blue
          ready:
            http:
              path: /
              port: 15020
            every: 1s
            timeout: 1s
          stop:
            plan: TERM/5/KILL
            preStop:
              sleep: 2s
      update:
        surge: 1
        unavailable: 0
        deadline: 60s
        settle: 3s
      restart:
        policy: always
        backoff: 1s..60s
      exits:
        0: done
        75: restart
        78: stop
        SIGKILL: fail
      reload:
        signal: HUP
      logs:
        size: 10MiB
        keep: 5
        full: block
      notify:
        watchdog: 10s
        extend: 5m
        store: 16
      user: root
      umask: 027
      limits:
        files: 1024..65536
        processes: 512
        core: unlimited
    migrate:
      kind: job
      command: [./migrate]
    clean:
      kind: job
      schedule: '*/5 * * * *'
      command: [./clean]
    cache:
      image: docker.io/library/redis
      runtime: podman
      podman: [--memory=1g]
      ready:
        tcp: 6379
      live:
        tcp: 6379
      reload:
        exec: [./reload]
    other:
      command: [./other]
      ready:
        exec: [./check]
      live:
        exec: [./check]
      sidecars:
        - name: one
          command: [./one]
          ready:
            tcp: 9001
          stop:
            preStop:
              exec: [./x]
        - name: two
          command: [./two]
          ready:
            exec: [./check]
          stop:
            preStop:
              http:
                path: /x
                method: GET
                port: 9001
      stop:
        preStop:
          exec: [./x]
    last:
      command: [./last]
      stop:
        preStop:
          sleep: 1s
  """
