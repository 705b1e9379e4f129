FROM debian:12.12-slim
RUN apt-get update -qq && apt-get install -y -qq --no-install-recommends nginx curl && rm -rf /var/lib/apt/lists/*
STOPSIGNAL SIGQUIT
CMD ["nginx", "-g", "daemon off;"]
