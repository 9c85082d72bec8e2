"""What tests of several rooms share: places, programs to run, made-up inputs."""
