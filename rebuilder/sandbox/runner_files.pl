# The second half of the runner: the plan and the inputs come in, the outputs go out. Appended to
# runner.pl, whose variables and frames it uses; the two are one script to the perl that runs them.

# --- the plan -------------------------------------------------------------------------------------

sub read_plan {
    my $file;
    while (1) {
        my ($type, $data) = read_frame();
        if ($type eq 'V') { die "runner: expected $PROTOCOL, found $data\n" if $data ne $PROTOCOL }
        elsif ($type eq 'L') { @plan{qw(seconds log_bytes output_bytes keep)} = split / /, $data }
        elsif ($type eq 'E') { my ($name, $value) = split /=/, $data, 2; $plan{env}{$name} = $value }
        elsif ($type eq 'I') { $plan{input_dir} = $data; complain(make_directories($data)) }
        elsif ($type eq 'O') { $plan{output_dir} = $data }
        elsif ($type eq 'G') { push @{ $plan{outputs} }, pattern($data) }
        elsif ($type eq 'S') { push @{ $plan{steps} }, { cwd => $data, argv => [] } }
        elsif ($type eq 'A') { push @{ $plan{steps}[-1]{argv} }, $data }
        elsif ($type eq 'F') { close_input($file) if $file; $file = open_input($data) }
        elsif ($type eq 'D') { write_input($file, $data) if $file }
        elsif ($type eq 'R') { close_input($file) if $file; return }
        else { die "runner: unknown frame\n" }
    }
}

sub read_nonce {
    my ($type, $data) = read_frame();
    die "runner: expected a nonce\n" if $type ne 'N' || length $data != $NONCE_SIZE;
    $plan{nonce} = $data;
}

# The first failure counts; `$!` has to be that of the failure.
sub complain {
    my ($text, $otherwise) = @_;
    return if !defined $text || $end{outcome} ne 'done';
    $end{outcome} = $! == ENOSPC ? 'full' : $otherwise // 'setup';
    $end{note} = $text;
    return;
}

# Why it could not, or undef (never an empty list: callers pass it on as an argument).
sub make_directories {
    my ($path) = @_;
    my $made = '';
    for my $part (grep { $_ ne '' } split m{/}, $path) {
        $made .= "/$part";
        next if mkdir $made, 0755;
        my $error = $! + 0;
        next if -d $made;
        $! = $error;
        return "could not make the directory $made: $!";
    }
    return undef;
}

sub open_input {
    my ($name) = @_;
    die "runner: an input's name is not a plain file name\n" if $name eq '' || $name =~ m{^\.\.?$|/|\0};
    return if $end{outcome} ne 'done';
    my $path = "$plan{input_dir}/$name";
    sysopen(my $handle, $path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW, 0444)
        or return complain("could not write the input $path: $!");
    return { path => $path, handle => $handle };
}

sub write_input {
    my ($file, $data) = @_;
    my $done = 0;
    while ($done < length $data && $end{outcome} eq 'done') {
        my $now = syswrite($file->{handle}, $data, length($data) - $done, $done);
        return complain("could not write the input $file->{path}: $!") if !defined $now;
        $done += $now;
    }
}

sub close_input {
    my ($file) = @_;
    close($file->{handle}) or complain("could not write the input $file->{path}: $!");
    my $time = $plan{env}{SOURCE_DATE_EPOCH} // '';
    $time = 0 if $time !~ /^\d{1,12}$/;
    utime($time, $time, $file->{path});
}

# A glob (`*`, `?`, `[...]`) as a regular expression; a leading dot has to be named.
sub pattern {
    my ($glob) = @_;
    my $text = $glob =~ /^\./ ? '' : '(?!\.)';
    while ($glob =~ /\G(?:(\*)|(\?)|\[(!?)([^\]]+)\]|(.))/gs) {
        if (defined $1) { $text .= '.*' }
        elsif (defined $2) { $text .= '.' }
        elsif (defined $4) {
            my ($not, $set) = ($3 ? '^' : '', $4);
            $set =~ s/([\\\[\]^&~|])/\\$1/g;
            $text .= "[$not$set]";
        }
        else { $text .= quotemeta $5 }
    }
    return qr/\A$text\z/s;
}

# --- the outputs: nothing of the build is alive, so what is looked at can't change ------------------

sub send_outputs {
    my $found = find_outputs() // return;
    my $total = 0;
    $total += $_->{size} for @$found;
    if ($total > $plan{output_bytes} || @$found > $OUTPUTS) {
        $end{outcome} = 'output';
        $end{note} = @$found > $OUTPUTS ? "more than $OUTPUTS files" : scalar(@$found) . " files of $total bytes";
        return;
    }
    send_output($_) for @$found;
}

sub find_outputs {
    my $path = '';
    for my $part (grep { $_ ne '' } split m{/}, $plan{output_dir}) {
        $path .= "/$part";
        return refuse("$path is no directory") if !lstat $path || !S_ISDIR((lstat _)[2]);
    }
    opendir(my $handle, $path) or return refuse("$path can't be read: $!");
    my @found;
    while (defined(my $name = readdir $handle)) {
        next if $name eq '.' || $name eq '..' || !grep { $name =~ $_ } @{ $plan{outputs} };
        push @found, examine("$path/$name", $name) // next;
        last if @found > $OUTPUTS;
    }
    return [sort { $a->{name} cmp $b->{name} } @found];
}

sub examine {
    my ($path, $name) = @_;
    return refuse("$name has a name that is not plain UTF-8") if $name =~ /[\x00-\x1f\x7f]/ || !utf8::decode(my $copy = $name);
    my @status = lstat $path or return refuse("$name can't be looked at: $!");
    return refuse("$name is no regular file") if !S_ISREG($status[2]);
    # A link or a FIFO can't take its place now; the flags only make sure of it.
    sysopen(my $handle, $path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK) or return refuse("$name can't be read: $!");
    close $handle;
    return { path => $path, name => $name, size => $status[7] };
}

sub refuse {
    my ($text) = @_;
    $end{note} .= ($end{note} eq '' ? '' : '; ') . $text if length $end{note} < 4096;
    return;
}

sub send_output {
    my ($file) = @_;
    sysopen(my $handle, $file->{path}, O_RDONLY | O_NOFOLLOW) or die "runner: could not open an output: $!\n";
    send_frame('F', pack('Q>', $file->{size}) . $file->{name});
    my $left = $file->{size};
    while ($left > 0) {
        my $got = sysread($handle, my $data, $left < $PIECE ? $left : $PIECE);
        die "runner: an output ended too early\n" if !$got;
        send_frame('D', $data);
        $left -= $got;
    }
}
